"""What the page is made of and what it shows: its files, and pictures of frames with their objects."""
