"""From captured copies to lookups with a destination."""
