"""ERMU's kernels in C++ for CPUs: AVX-512, AVX2 or portable code, chosen when the process starts."""
