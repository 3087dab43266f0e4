"""Composition only: plan, map, wait, gather. The work is in `tasks`, the algorithm in `mem_core`."""
