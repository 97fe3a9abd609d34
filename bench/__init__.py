"""Benchmarks: montra beside other ways of doing the same, on one machine, in one run."""
