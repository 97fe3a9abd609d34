"""A simulated network of many nodes in virtual time, watched by the real crawler, fleet and attribution."""
