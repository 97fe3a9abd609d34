"""How fast obfuscated datagrams of Kad are opened and scanned, and what of it is the cipher's."""
