"""Milliseconds and rates, in constant memory."""
