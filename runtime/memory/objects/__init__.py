"""Networks that follow every object by itself: an object's memory, and what graphs make of it."""
