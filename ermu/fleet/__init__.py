"""Many streams on many machines, by Ray: workers that hold streams, who is where, what happens at a loss."""
