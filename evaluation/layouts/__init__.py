"""A module for each dataset; its name is the dataset's."""
