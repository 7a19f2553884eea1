"""Sessions of whole streams: saved while they run, and kept for the next start."""
