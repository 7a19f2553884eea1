"""Video decoded by the emulated GPU: PyAV's own FFmpeg on `nvcuvid.cpp`."""
