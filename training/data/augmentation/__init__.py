"""How frames of a video, or a picture, become the squares of a clip."""
