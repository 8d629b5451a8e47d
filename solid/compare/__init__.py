"""Comparison over seeds: a grid of models from one file, run as jobs that are shared and resumed, and its table."""
