"""The public zoo: golden runs of its networks, and how to repeat them."""
