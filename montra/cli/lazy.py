"""Groups of verbs that are loaded when they are asked for: each needs other optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its verbs by name and a line of help; load: returns a verb's command, given its name."""

    def __init__(self, *args: Any, verbs: Mapping[str, str], load: Callable[[str], click.Command], **more: Any) -> None:
        super().__init__(*args, **more)
        self._verbs = verbs
        self._load = load

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return sorted(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, None if there is none of this name."""
        return self._load(cmd_name) if cmd_name in self._verbs else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._verbs.items()))
