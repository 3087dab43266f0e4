"""Whole runs: the settings and rows of a table, what they cost, and the paper reproduced."""
