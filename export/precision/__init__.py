"""A bundle's graphs in other precisions, and what that changes."""
