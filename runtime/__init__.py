"""Frames to label maps without torch."""
