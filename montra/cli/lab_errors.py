"""How the verbs that need a lab or a simulated network end: one line for what went wrong, and the exit code for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from montra.cli.common import Exit, require_extra
from montra.lab.settings import LabError
from montra.validation.truth import TruthError


@contextmanager
def lab_errors(extra: str) -> Iterator[None]:
    """Say in a line what a lab or its truth lacks, and which extra holds a package that is missing."""
    try:
        yield
    except ImportError as error:
        raise require_extra(error, extra) from error
    except (LabError, TruthError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:  # outside a window, which has its own way of ending
        raise SystemExit(int(Exit.INTERRUPTED)) from None


@contextmanager
def orderly_end() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C, so that namespaces and what runs in them are taken away then too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Say in a line what is wrong with settings that an option gave."""
    try:
        yield
    except (ValueError, LabError) as error:
        raise click.UsageError(str(error)) from error
