"""The study on one GPU (or CPU) with mem_core alone, in pieces of minutes: `python -m benchmarks.gpu`."""
