"""Back-to-back crawling of a zone: frontier, liveness, reachability, completeness. Sans-I/O."""
