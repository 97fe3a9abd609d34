"""The store benchmark, and the generator of a realistic window's captures."""
