"""Saved sessions: what a stream remembers, in a file that another process goes on from."""
