"""Layers side by side with those of other libraries, on one machine, in one process: `python -m benchmarks`."""
