"""Kubeflow pipelines: what wires the components together, and ``solid-pipeline``, which compiles and runs them."""
