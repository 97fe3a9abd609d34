"""Lookups of our own, made while a window runs, that show what part of such lookups it captures."""
