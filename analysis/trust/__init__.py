"""How far the numbers can be trusted: capture rate, validation, losses."""
