"""What a machine must have for a mixed network, and of which release it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from montra.lab.clients.client import Client
from montra.lab.clients.drivers import Libtorrent
from montra.lab.mixed.crowd import KINDS, at_home
from montra.lab.mixed.settings import MixedSettings


def missing(settings: MixedSettings) -> list[str]:
    """Return what the machine lacks for these settings, a line each."""
    lines = [] if os.geteuid() == 0 else ["root is needed, to make network namespaces"]
    linked = settings.nat or not settings.weather.calm
    for program, package in (("ip", "iproute2"), *((("nft", "nftables"),) if linked else ())):
        if not shutil.which(program):
            lines.append(f"{program} is not installed: install {package}")
    if linked and not Path("/dev/net/tun").exists():
        lines.append("/dev/net/tun is not there: the kernel has no TUN devices, or its module is not loaded")
    return lines + [line for kind in kinds(settings) if (line := kind.missing())]


def releases(settings: MixedSettings) -> dict[str, str]:
    """Return the release of each client that takes part, by name; raises ClientError."""
    return {kind.name: kind.release() for kind in kinds(settings)}


def kinds(settings: MixedSettings) -> list[type[Client]]:
    """Return the kinds of clients that take part, each once."""
    wanted: list[type[Client]] = [Libtorrent]
    wanted += [kind for kind in KINDS if getattr(settings, kind.name)]
    wanted += [at_home(i) for i in range(settings.nat)]
    return list(dict.fromkeys(wanted))
