"""Losses: what training minimises; one file each, behind the protocol of :mod:`solid.training.losses.base`."""
