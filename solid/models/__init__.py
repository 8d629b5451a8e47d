"""Backbones, weight generators, the codebook, and the recommender that assembles them."""
