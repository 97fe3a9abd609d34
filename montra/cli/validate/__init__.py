"""`montra validate`: how far montra's numbers can be trusted, measured against what real and simulated clients did."""

from __future__ import annotations

import importlib

import click

from montra.cli.lazy import LazyGroup

VERBS = {
    "confidence": "Are attribution's confidences what they say? A reliability table and plot.",
    "density": "Thin fleets: capture, accuracy and disturbance against the share of targets monitored.",
    "disruption": "What monitors do to each real client, by reply policy, beside a network without monitors.",
    "estimators": "Intervals of the analysis: do they hold the truth in synthetic networks of which all is known?",
    "kad-disruption": "What monitors do to stores and searches of real amuled: none, silent, and answering once.",
    "lab": "Capture and destinations in a private network of libtorrent nodes on loopback.",
    "live": "Instrumented sources and destinations in the network that a running window watches.",
    "mixed": "Capture and destinations in a network of five real clients, with loss, delay, NAT and churn.",
    "republish": "Publishers estimated from publish rates, beside those of a network of real amuled in fast time.",
    "simulate": "Capture and destinations over zone sizes and hours, in virtual time.",
}


def _load(verb: str) -> click.Command:
    command: click.Command = importlib.import_module(f"montra.cli.validate.{verb.replace('-', '_')}").command
    return command


@click.group(cls=LazyGroup, verbs=VERBS, load=_load)
def validate() -> None:
    """Measure montra itself: what it captures, where it errs and why, and what it does to the network.

    Each verb is one experiment, from one command, with the seed and the versions of all clients in its output.
    """
