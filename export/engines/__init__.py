"""A bundle's graphs compiled by TensorRT."""
