"""Programs that tests start on the emulated GPU: `python -m tests.emulated_gpu.scripts.NAME`."""
