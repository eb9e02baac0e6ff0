"""Verdicts to one self-contained HTML file."""
