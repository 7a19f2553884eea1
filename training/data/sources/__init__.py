"""Where clips come from: procedural scenes, annotated videos, single pictures, and mixtures of them."""
