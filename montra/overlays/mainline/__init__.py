"""BitTorrent Mainline DHT (BEP 5, 32, 33, 43), IPv4."""
