"""What can go wrong when the endpoint is opened."""

from __future__ import annotations


class EndpointError(Exception):
    """What a plan needs of the kernel cannot be opened; the message is one clear line: what, and what to do."""
