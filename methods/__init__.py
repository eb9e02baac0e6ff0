"""Continual-learning methods, one per file; the file name is the name in a suite."""
