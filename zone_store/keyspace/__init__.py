"""Node IDs and keys, zones, XOR distance: scalar and in arrays."""
