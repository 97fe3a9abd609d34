"""A window over several processes: one crawls and supervises, the others hold the monitors. Sans-I/O."""
