"""CUDA graphs: what is recorded, when, and how long it is kept."""
