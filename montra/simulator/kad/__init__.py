"""A Kad network in virtual time, by the rules of its clients."""
