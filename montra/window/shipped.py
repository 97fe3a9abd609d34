"""The configurations that come with montra."""

from __future__ import annotations

from pathlib import Path

KINDS = ("mainline-6bit", "lab", "kad-6bit", "kad-lab")
BLOCKLIST = "blocklist.txt"

_PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Return where they lie: beside the package in a checkout, inside it when installed from a wheel."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def text(kind: str) -> str:
    """Return the text of one; raises OSError."""
    return (folder() / f"{kind}.toml").read_text("utf-8")
