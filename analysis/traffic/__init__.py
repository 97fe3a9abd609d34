"""How much is searched and published: over time, for each key, by how many, and in what proportion."""
