"""What a manifest needs so that a run can be repeated and judged: versions, host, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("montra", "bencode.py", "gevent", "lmdb", "msgpack", "msgspec", "numpy", "pycryptodome")


def versions() -> dict[str, str]:
    """Return the versions of Python and of what captures and stores."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def host() -> dict[str, str | int]:
    """Return what machine this is, without its name or addresses."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def git_describe() -> str:
    """Return the commit montra runs from, "" outside a checkout."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, our own checkout
            ["git", "-C", str(source), "describe", "--always", "--dirty", "--tags"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
