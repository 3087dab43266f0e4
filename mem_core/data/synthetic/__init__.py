"""Corpora drawn by a program, for tests, the demo and first trials."""
