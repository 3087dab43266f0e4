"""Victims under every countermeasure, and what protection is left."""
