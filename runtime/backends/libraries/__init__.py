"""A module for each library that runs graphs; its name is the backend's."""
