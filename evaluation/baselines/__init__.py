"""A module for each baseline; its name is the baseline's."""
