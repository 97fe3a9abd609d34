"""How a result was made: what every command of validation prints and puts into its JSON."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

from montra import __version__
from montra.window import provenance


def made(seed: int, clients: Mapping[str, str]) -> dict[str, Any]:
    """Return the command as it was given, its seed, and the versions of montra, its libraries and all clients used."""
    return {
        "command": shlex.join(["montra", *sys.argv[1:]]),
        "seed": seed,
        "montra": __version__,
        "git": provenance.git_describe(),
        "versions": provenance.versions(),
        "clients": dict(clients),
    }


def line(result: Mapping[str, Any]) -> str:
    """Return the same in a line for people."""
    clients = ", ".join(f"{name} {version}" for name, version in result["clients"].items())
    return f"Seed {result['seed']}, montra {result['montra']}, {clients}: {result['command']}"
