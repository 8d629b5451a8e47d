"""Metrics, comparison on the same users, and the report."""
