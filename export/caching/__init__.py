"""Bundles in the user's cache folder: of checkpoints, and copies to build in."""
