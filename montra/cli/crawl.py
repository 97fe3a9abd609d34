"""`montra crawl`: who is in a zone, once or back to back."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any, TextIO

import click
import gevent.event
import msgspec

from crawler.population import KnownNode
from montra.cli.common import Exit, clear_errors, say
from montra.cli.options import config_flags, read_config
from montra.cli.session import driver_settings, end_on_signals
from montra.datagrams import ip_text
from montra.endpoint.clock import AnchoredClock
from montra.endpoint.collector import rare_collections
from montra.endpoint.driver import Driver
from montra.endpoint.sockets import open_sockets
from montra.overlays import base as overlays
from montra.window.build import build_crawler, build_wire, within_limits
from montra.window.survey import Survey
from montra.window.units import parse_size
from zone_store.captures import CrawlRow
from zone_store.losses import meaning


def row_line(row: CrawlRow) -> str:
    """Return one crawl as a line of text."""
    estimate = (
        f"population {row.estimate:.0f}, completeness {row.completeness:.1%} "
        f"({row.completeness_low:.1%} to {row.completeness_high:.1%})"
        if row.estimate
        else "completeness not yet known"
    )
    return (
        f"crawl {row.number}: {row.seen} seen, {row.answered} answered, {row.new} new, {row.gone} gone in "
        f"{row.seconds:.1f} s ({row.nodes_per_second:.0f} nodes/s); {estimate}"
    )


def loss_lines(counters: dict[str, int]) -> list[str]:
    """Return a line of text for each counter that is a loss."""
    known = [(name, count, meaning(name)) for name, count in sorted(counters.items())]
    return [f"lost: {count} {name}: {loss.text}" for name, count, loss in known if loss is not None and count]


def node_line(node: KnownNode, version: str) -> str:
    """Return one node as a line of JSON."""
    return json.dumps({"id": node.node_id.hex(), "ip": ip_text(node.ip), "port": node.port, "client": version})


@click.command(epilog="Example: montra crawl -c configs/lab.toml --count 3 -o nodes.jsonl")
@config_flags
@click.option("--count", default=2, show_default=True, help="Crawls, back to back.")
@click.option("-o", "--out", default="-", show_default=True, help="File for the nodes found, JSON lines; - is stdout.")
@click.option("--json", "as_json", is_flag=True, help="Print each crawl as a line of JSON on standard error.")
@clear_errors
def crawl(config_path: Path, overrides: dict[str, Any], count: int, out: str, as_json: bool) -> None:
    """Crawl the zone and write down the nodes that answered; no monitor is attached and nothing is captured.

    Nodes go to OUT as they were known at the end, what each crawl found to standard error, and what the endpoint lost.
    --duration bounds it all; Ctrl-C ends it with what is known by then (exit code 130).
    """
    config = read_config(config_path, overrides, crawl_only=True)
    overlay = overlays.load(config.overlay)
    zone = config.parsed_zone()
    plan = config.plan(crawl_only=True)
    seed = config.seed or secrets.randbits(31) + 1
    config, notes = within_limits(config, crawl_only=True)
    for note in notes:
        click.echo(note, err=True)
    settings = driver_settings(config, config.limits)
    crawler = build_crawler(config, overlay, zone, seed, plan.is_own)
    wire = build_wire(overlay, seed)
    stop = gevent.event.Event()
    left = count

    def done(row: CrawlRow) -> None:
        nonlocal left
        left -= 1
        line = json.dumps(msgspec.to_builtins(row)) if as_json else row_line(row)
        click.echo(line, err=True)
        if left <= 0:
            stop.set()

    clock = AnchoredClock()
    with (
        end_on_signals(stop) as signals,
        rare_collections(),
        open_sockets(
            plan, config.addresses.bind, parse_size(config.addresses.receive_buffer), crawler_only=True
        ) as sockets,
    ):
        driver = Driver(plan, sockets, Survey(crawler, done, wire), settings, clock)
        crawler.unsent = driver.crawl_unsent
        driver.run(clock.now_ns() + int(config.duration_s * 1e9), stop)
    nodes = sorted(crawler.nodes, key=lambda node: node.node_id)

    def write(file: TextIO) -> None:
        for node in nodes:
            version = overlay.version_name(overlays.version_number(node.version))
            file.write(node_line(node, version) + "\n")

    if out == "-":
        write(sys.stdout)
    else:
        with Path(out).open("w", encoding="utf-8") as file:
            write(file)
    for text in loss_lines(driver.counters.counts):
        click.echo(text, err=True)
    say(f"{len(nodes)} nodes of zone {zone} known")
    if signals:
        raise SystemExit(int(Exit.INTERRUPTED))
