"""Data files of deployments; no Python logic."""
