"""A data set of several runs that can be given away: files for pandas, DuckDB and R, and what they hold."""
