"""`montra validate`: how far montra's numbers can be trusted, measured against what real and simulated clients did."""

from __future__ import annotations

import importlib

import click

VERBS = {
    "confidence": "Are attribution's confidences what they say? A reliability table and plot.",
    "density": "Thin fleets: capture, accuracy and disturbance against the share of targets monitored.",
    "disruption": "What monitors do to each real client, by reply policy, beside a network without monitors.",
    "lab": "Capture and destinations in a private network of libtorrent nodes on loopback.",
    "live": "Instrumented sources and destinations in the network that a running window watches.",
    "mixed": "Capture and destinations in a network of five real clients, with loss, delay, NAT and churn.",
    "simulate": "Capture and destinations over zone sizes and hours, in virtual time.",
}


class _Verbs(click.Group):
    """Loads a verb when it is asked for: each needs other optional packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"montra.cli.validate.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(cls=_Verbs)
def validate() -> None:
    """Measure montra itself: what it captures, where it errs and why, and what it does to the network.

    Each verb is one experiment, from one command, with the seed and the versions of all clients in its output.
    """
