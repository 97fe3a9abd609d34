"""What a machine must have for a Kad network, and of which release it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from montra.lab.kad.settings import KadLabSettings
from montra.lab.settings import LabError

#: Program and the Debian package that brings it.
_PROGRAMS = (("ip", "iproute2"), ("amuled", "amule-daemon"), ("amulecmd", "amule-utils"))
_TIMEOUT_S = 10
#: amuled 2.3.3 counts milliseconds since the epoch in 32 bits (`GetTickCount.cpp:GetTickCountFullRes`).
_TICKS_S = 2**32 / 1000
_DAY_S = 86_400


def missing(settings: KadLabSettings) -> list[str]:
    """Return what the machine lacks for these settings, a line each."""
    lines = [] if os.geteuid() == 0 else ["root is needed, to make a network namespace"]
    needed = (*_PROGRAMS, ("nft", "nftables")) if settings.firewalled else _PROGRAMS
    for program, package in needed:
        if not shutil.which(program):
            lines.append(f"{program} is not installed: install {package}")
    if settings.rate != 1 and _clock_library() is None:
        lines.append("libfaketime is not installed: install faketime")
    return lines


def releases() -> dict[str, str]:
    """Return the release of the client; raises LabError."""
    try:
        said = subprocess.run(  # noqa: S603 - words of ours, no shell
            [shutil.which("amuled") or "amuled", "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"amuled --version: {error}") from error
    if len(said) < 2:
        raise LabError("amuled does not tell its version")
    return {"amuled": f"{said[0]} {said[1]}"}


def clock(rate: float, now_s: float | None = None) -> dict[str, str]:
    """Return the environment of a program whose clock runs `rate` times as fast; raises LabError without the library.

    now_s: seconds since the epoch, None for now. In the day before amuled's 32-bit ticks start anew its clock is a day
    slow: a time to search again after 1 to 7 hours that lies beyond that moment is taken for past, and it searches
    every second (`PartFile.cpp:Process`, m_LastSearchTimeKad) until nodes no longer answer it.

    The library is the one for programs with threads. It would read its settings anew at each call without its cache,
    for half as much CPU again.
    """
    now_s = time.time() if now_s is None else now_s
    late = _TICKS_S - now_s % _TICKS_S < _DAY_S
    if rate == 1 and not late:
        return {}
    library = _clock_library()
    if library is None:
        raise LabError("libfaketime is not installed: install faketime")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{f'-{_DAY_S}' if late else '+0'} x{rate:g}"}


def sweep_clocks(memory: Path = Path("/dev/shm")) -> int:  # noqa: S108 - where libfaketime puts them
    """Take away the clocks that libfaketime left of dead processes; returns how many files went.

    It names a clock by the process, and a killed one leaves it: a later process of the same number would take it over,
    and with it a time that is hours ahead.
    """
    gone = 0
    for kind in ("faketime_shm_", "sem.faketime_sem_"):
        for path in memory.glob(f"{kind}*"):
            number = path.name.removeprefix(kind)
            if number.isdigit() and not Path("/proc", number).exists():
                with suppress(OSError):  # another user's, or gone meanwhile
                    path.unlink()
                    gone += 1
    return gone


def _clock_library() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
