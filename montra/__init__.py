"""montra: see what a live DHT publishes and searches, without disturbing it."""

__version__ = "0.1.0"
