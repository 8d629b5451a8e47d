"""The champion behind an address: HTTP, the Open Inference Protocol, metrics, and what follows the registry."""
