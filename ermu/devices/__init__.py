"""Devices: their memory, streams and launches."""
