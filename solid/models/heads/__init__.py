"""Adaptive heads: where the weights between what the backbone read and the score come from; one file each."""
