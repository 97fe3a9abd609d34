"""How a result was made: what every command of validation prints and puts into its JSON."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from montra import __version__
from montra.window import provenance

_OUT = ("-o", "--out")


def made(seed: int | Sequence[int], clients: Mapping[str, str]) -> dict[str, Any]:
    """Return the command, its seed (or seeds), and the versions of montra, its libraries and all clients used."""
    return {
        "command": _command(sys.argv[1:]),
        **({"seed": seed} if isinstance(seed, int) else {"seeds": list(seed)}),
        "montra": __version__,
        "git": provenance.git_describe(),
        "versions": provenance.versions(),
        "clients": dict(clients),
    }


def line(result: Mapping[str, Any]) -> str:
    """Return the same in a line for people."""
    seed = f"Seed {result['seed']}" if "seed" in result else f"Seeds {', '.join(map(str, result['seeds']))}"
    clients = "; ".join(_client(name, release) for name, release in result["clients"].items())
    return f"{seed}; montra {result['montra']}; {clients}{clients and '; '}{result['command']}"


def save(path: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """Write a result as JSON, in which NaN and infinity are null; returns what a reader of the file gets."""
    content = msgspec.json.encode(result)
    path.write_bytes(msgspec.json.format(content, indent=2) + b"\n")
    plain: dict[str, Any] = msgspec.json.decode(content)
    return plain


def _client(name: str, release: str) -> str:
    """Name a client once: some tell their name with their version."""
    return release if name in release.lower() else f"{name} {release}"


def _command(words: Sequence[str]) -> str:
    """Return the command as it was given, but for where its results went."""
    kept = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _OUT:
            skip = True
        elif not word.startswith("--out="):
            kept.append(word)
    return shlex.join(["montra", *kept])
