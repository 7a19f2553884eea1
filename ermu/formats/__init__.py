"""Annotation formats of other tools, to and from label maps; a library of its own."""
