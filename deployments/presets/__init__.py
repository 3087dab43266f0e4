"""Presets: YAML files of `RunConfig`."""
