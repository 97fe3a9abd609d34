"""Figures, and the one page about all of it."""
