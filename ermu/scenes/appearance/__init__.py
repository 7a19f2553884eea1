"""What procedural surfaces look like."""
