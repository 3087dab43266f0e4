"""Thin Prefect tasks: open storage, call one function of mem_core, return an address and a small summary."""
