"""Proof from the bytes alone that a protected corpus is what it claims to be."""
