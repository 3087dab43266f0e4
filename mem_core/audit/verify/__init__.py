"""Checks, from the bytes only, that a protected corpus is what it claims to be."""
