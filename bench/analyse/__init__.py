"""From captures to the report: how long it takes, in how much memory, and one query of it beside pandas."""
