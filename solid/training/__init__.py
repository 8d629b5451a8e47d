"""Training: the loop, what it resumes from, where SOLID starts, and the step that puts them together."""

from solid.training.step import train

__all__ = ["train"]
