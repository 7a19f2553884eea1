"""A network that follows every object by itself, small enough to be computed by hand."""
