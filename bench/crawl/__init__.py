"""Crawl: a zone of 32,000 nodes on loopback, crawled by montra and by plain code that asks one node at a time."""
