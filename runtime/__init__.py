"""Frames to label maps without torch: bundle, backend, memory bank, segmenter, sources, sinks."""
