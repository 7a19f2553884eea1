"""Pictures and label maps: reading, drawing, and prompts drawn by hand."""
