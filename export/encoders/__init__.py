"""Backbones, a module each; its name, with hyphens for underscores, is the encoder's."""
