"""ERMU's kernels in CUDA C++, launched through pycuda."""
