"""A bundle on disk: its manifest, graphs and engines, and the sizes that follow from it."""
