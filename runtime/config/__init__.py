"""What an operator writes down in a file: streams, and how they are placed."""
