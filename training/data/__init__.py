"""What training sees."""
