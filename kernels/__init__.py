"""ERMU's kernels: one interface, an implementation for each device."""
