"""The interfaces of the kernels and the checks of their arguments."""
