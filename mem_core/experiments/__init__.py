"""Whole runs: settings and rows of a table, cost estimates, and the paper's tables and figures reproduced."""
