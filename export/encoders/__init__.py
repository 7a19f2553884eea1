"""Backbones; a module's name is the encoder's."""
