"""`python -m montra.lab CONFIG.json|CONFIG.toml`: a lab in a process of its own, ruled by lines on standard input.

"go" starts the workload (unless autostart), "stop" or the end of the input ends the lab. Exit code 0 when it ended as
ordered, 1 when it failed, 2 on wrong usage; one line on standard error says why.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

from montra.lab.settings import LabError, SettingsError, load_settings


def main(arguments: list[str]) -> int:
    """Run the lab that the one argument names and return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m montra.lab CONFIG.json|CONFIG.toml\n")
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = load_settings(Path(arguments[0]))
        # only now, because libtorrent is an optional dependency
        from montra.lab.runner import run_lab

        run_lab(settings, control_fd=sys.stdin.fileno())
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ModuleNotFoundError as error:
        sys.stderr.write(f"the lab needs {error.name}: install montra[lab]\n")
        return 1
    except (LabError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
