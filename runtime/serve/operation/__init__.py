"""What tells an operator, and what watches for one, how the streams are."""
