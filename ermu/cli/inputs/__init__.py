"""Which streams a command reads: from its options, or from a file."""
