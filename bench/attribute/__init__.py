"""How fast captures become lookups, and in how much memory, beside the same grouping by DuckDB."""
