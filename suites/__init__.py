"""Suites: YAML files that say what is run; data, not code."""
