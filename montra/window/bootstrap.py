"""Where a crawl begins: nodes named in the configuration, and those of a client's file."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from montra.overlays.base import Overlay
from montra.window.config import Config, ConfigError, split_bootstrap

#: Nodes to begin with: (ip, port) -> node ID, b"" if it is not known.
Nodes = dict[tuple[int, int], bytes]


def resolve(entries: Iterable[str]) -> tuple[Nodes, list[str]]:
    """Resolve bootstrap entries "host:port" or "host:port/ID" to nodes; the list names those that did not resolve."""
    found: Nodes = {}
    failed: list[str] = []
    for entry in entries:
        host, port, node_id = split_bootstrap(entry)
        try:
            infos = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
        except OSError:
            failed.append(entry)
            continue
        for info in infos:
            found.setdefault((int.from_bytes(socket.inet_aton(str(info[4][0])), "big"), port), node_id)
    return found, failed


def bootstrap_nodes(config: Config, overlay: Overlay) -> tuple[Nodes, list[str]]:
    """Return the nodes that a crawl of this configuration may begin at, and the names that did not resolve.

    Raises ConfigError for a file of nodes that cannot be read.
    """
    found, failed = resolve(config.bootstrap)
    if config.bootstrap_file:
        try:
            nodes = overlay.read_bootstrap(Path(config.bootstrap_file).read_bytes())
        except OSError as error:
            raise ConfigError([f"bootstrap_file: {config.bootstrap_file} cannot be read: {error.strerror}"]) from error
        except ValueError as error:
            raise ConfigError([f"bootstrap_file: {config.bootstrap_file}: {error}"]) from error
        for ip, port, node_id in nodes:
            found.setdefault((ip, port), node_id)
    return found, failed
