"""What is measured of machine and process."""
