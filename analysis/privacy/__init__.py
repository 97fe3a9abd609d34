"""What keeps the people behind the addresses out of every output: pseudonyms, their keys, small counts left out."""
