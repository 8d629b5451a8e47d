"""Metrics, comparison on the same users, and the report."""

from solid.evaluation.evaluate import evaluate

__all__ = ["evaluate"]
