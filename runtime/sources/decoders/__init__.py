"""What turns a video file into frames: PyAV, or OpenCV in its place."""
