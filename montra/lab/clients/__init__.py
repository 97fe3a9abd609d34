"""Real clients as programs, in network namespaces that are made for them, and a witness of what they send."""
