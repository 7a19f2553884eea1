"""A stream from its source to its sinks, and many of them on one set of graphs."""
