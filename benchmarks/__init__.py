"""Benchmarks: the harness behind `ermu bench`, scripts for what it leaves out, and stored results."""
