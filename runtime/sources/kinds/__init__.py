"""A module for each kind of source."""
