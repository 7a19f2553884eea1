"""The kernels in CUDA C++."""
