"""A folder for each network family."""
