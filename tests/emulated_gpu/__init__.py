"""A GPU over host memory: a driver library and a TensorRT, so that the GPU path runs where no GPU is."""
