"""Rows in Parquet, questions in SQL: lookups of any number within bounded memory."""
