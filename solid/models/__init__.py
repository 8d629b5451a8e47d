"""Backbones, weight generators, the codebook, and the recommender that assembles them."""

from solid.models.recommender import ModelConfig, Recommender
from solid.models.storage import load_model, load_model_of, save_model, validation_uauc

__all__ = ["ModelConfig", "Recommender", "load_model", "load_model_of", "save_model", "validation_uauc"]
