"""Annotation formats, a file each."""
