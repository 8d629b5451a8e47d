"""Semantic ids: item vectors become classes."""
