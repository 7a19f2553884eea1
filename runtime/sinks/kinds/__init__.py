"""A module for each kind of sink; its name is the sink's."""
