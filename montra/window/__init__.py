"""One monitoring window: crawl, attach, capture, seal; configuration, preflight, status."""
