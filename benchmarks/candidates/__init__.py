"""What takes part in a run: the runtime itself, a peer behind its frame loop, another system."""
