"""Measures memshield against floors from the same run: `python -m benchmarks`."""
