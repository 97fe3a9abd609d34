"""How unevenly lookups fall on keys and on nodes, and how much of that hashing alone explains."""
