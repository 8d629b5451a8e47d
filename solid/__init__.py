"""SOLID: semantic codebook learning for dynamic recommendation models (ACM MM 2024)."""

__version__ = "0.1.0"
