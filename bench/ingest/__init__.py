"""How fast copies of lookups are taken in, beside a plain receiver and a loop in C that only counts."""
