"""The oracle in float64 numpy, which also runs where nothing is compiled."""
