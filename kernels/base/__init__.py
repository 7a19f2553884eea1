"""The interfaces of the kernels, each with the checks of its arguments."""
