"""A module for each peer; its name is the peer's."""
