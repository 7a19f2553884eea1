"""The kernels in float64 numpy and OpenCV: the oracle, and what runs where nothing is compiled."""
