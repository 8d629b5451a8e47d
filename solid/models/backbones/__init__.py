"""Backbones: one file each, behind the protocol of :mod:`solid.models.backbones.base`."""
