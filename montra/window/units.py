"""Durations and sizes as people write them: "6h", "10m", "90s", "1h30m"; "500MB", "2GiB"."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms]?)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?")
_POWERS = {"": 0, "k": 1, "M": 2, "G": 3, "T": 4}


def parse_duration(text: str) -> float:
    """Return seconds for "6h", "1h30m", "90s" or "90"; raises ValueError on anything else and on zero."""
    compact = text.strip()
    position, seconds = 0, 0.0
    while position < len(compact):
        match = _DURATION.match(compact, position)
        if match is None or (match[2] == "" and (position or match.end() < len(compact))):
            raise ValueError(f"{text!r} is no duration; write it as 6h, 10m, 90s or 1h30m")
        seconds += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if seconds <= 0:
        raise ValueError(f"{text!r} is no duration above zero; write it as 6h, 10m, 90s or 1h30m")
    return seconds


def format_duration(seconds: float) -> str:
    """Return "1h30m", "10m05s" or "8.2s"."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{left:02d}s"


def parse_size(text: str) -> int:
    """Return bytes for "500MB" (powers of 1000) or "2GiB" (powers of 1024); raises ValueError on anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size; write it as 500MB or 2GiB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** _POWERS[match[2]])
