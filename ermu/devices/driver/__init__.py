"""The CUDA driver: its functions, a context that every thread may use, pinned memory."""
