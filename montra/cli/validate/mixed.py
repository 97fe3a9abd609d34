"""`montra validate mixed`: capture and destinations in a network of all kinds of real clients."""

from __future__ import annotations

import ipaddress
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from montra.cli.common import RefusedError, clear_errors, emit, json_option, steps, tell
from montra.cli.lab_errors import lab_errors, orderly_end, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import DurationType, ShareType, results_options
from montra.lab.mixed.monitoring import Monitoring
from montra.lab.mixed.needs import missing, releases
from montra.lab.mixed.network import ZONE, MixedNetwork, Record, mixed_network
from montra.lab.mixed.settings import MixedSettings, Weather
from montra.overlays import base as overlays
from montra.validation.compare import comparison_of
from montra.validation.comparison import Comparison
from montra.validation.judge import judge
from montra.validation.mixed import cross_check, losses, mixed_truth
from montra.validation.reliability import Reliability, claims_of, reliability, summary, table
from montra.validation.tables import aligned, built, rows, why_missed
from montra.validation.wilson import Proportion
from montra.window import shipped
from montra.window.analyze import attribute_run

#: Where the window speaks from: addresses that no node has.
CRAWLER = "10.99.0.1:20880"
MONITORS = ipaddress.IPv4Network("10.100.0.0/16")
#: How long the fleet may take to be visible to its targets before the workload starts anyway.
VISIBLE_S = 90.0
RESULT = "mixed.json"


@click.command(epilog="Example: montra validate mixed --churn 10m --loss 1% --delay 50ms --duration 20m")
@click.option("--nodes", default=300, show_default=True, help="Real nodes in all; the rest of them are libtorrent's.")
@click.option("--aria2", default=10, show_default=True, help="Of them, aria2.")
@click.option("--transmission", default=5, show_default=True, help="Of them, Transmission.")
@click.option("--rtorrent", default=5, show_default=True, help="Of them, rTorrent.")
@click.option("--webtorrent", default=10, show_default=True, help="Of them, webtorrent's bittorrent-dht.")
@click.option("--nat", default=8, show_default=True, help="Of them, behind NATs of four kinds in turn.")
@click.option("--loss", default="0", type=ShareType(), help="Share of datagrams lost, such as 1%.")
@click.option("--delay", default="0", type=DurationType(), help="Delay of each datagram, such as 50ms.")
@click.option("--jitter", default="0", type=DurationType(), help="Evenly spread to both sides of the delay.")
@click.option("--reorder", default="0", type=ShareType(), help="Share of datagrams that overtake, with no delay.")
@click.option(
    "--churn", default="0", type=DurationType(), help="Median session of a node, such as 10m; nobody leaves without it."
)
@click.option("--duration", default="90s", show_default=True, type=DurationType(), help="Time in which lookups begin.")
@click.option("--lookups", default=200.0, show_default=True, help="Lookups a minute by libtorrent nodes.")
@click.option("--searches", default=6.0, show_default=True, help="Lookups a minute by each other node.")
@click.option("--rest", default="25s", show_default=True, type=DurationType(), help="Watched after the last lookup.")
@click.option("--subnets", default=16, show_default=True, type=click.IntRange(1, 256), help="/24s of monitors.")
@click.option("--one-ip", is_flag=True, help="All monitors on one address, told apart by port.")
@click.option("--replies", default="least", show_default=True, help="Reply mode, as in the configuration.")
@results_options("mixed", "all choices but the programs' own")
@json_option
@clear_errors
def command(
    *,
    nodes: int,
    aria2: int,
    transmission: int,
    rtorrent: int,
    webtorrent: int,
    nat: int,
    loss: float,
    delay: float,
    jitter: float,
    reorder: float,
    churn: float,
    duration: float,
    lookups: float,
    searches: float,
    rest: float,
    subnets: int,
    one_ip: bool,
    replies: str,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Measure capture and destinations in a network of real clients of all kinds.

    libtorrent nodes, aria2, Transmission, rTorrent and webtorrent's bittorrent-dht in network namespaces that
    the command makes itself, some behind NATs, each as target and as requester. The truth is what arrived at
    each node, from captures of the packets. Needs root, the programs, nftables and TUN devices; sends nothing
    out of the machine.
    """
    folder = out / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with usage_errors():
        settings = MixedSettings(
            out=folder.resolve(),
            nodes=nodes,
            aria2=aria2,
            transmission=transmission,
            rtorrent=rtorrent,
            webtorrent=webtorrent,
            nat=nat,
            weather=Weather(loss=loss, delay_s=delay, jitter_s=jitter, reorder=reorder),
            median_session_s=churn,
            duration_s=duration,
            lookups_per_minute=lookups,
            searches_per_minute=searches,
            rest_s=rest,
            seed=seed,
        )
        config = _config(subnets, one_ip, replies, seed)
        overlays.load(config["overlay"]).reply_table(config["replies"]["mode"], {})
    lacks = missing(settings)
    if lacks:
        raise RefusedError(lacks)
    begin = time.monotonic()
    step = steps()
    with lab_errors("lab,analysis"), orderly_end():
        clients = releases(settings)
        played = _play(settings, config, step)
        run, record, went_ns = played.run, played.record, played.went_ns
        attribute_run(run)
        mixed = mixed_truth(record, MONITORS, played.until_ns, folder.name)
        judged = judge(run, mixed.truth, since_ns=went_ns)
        comparison = comparison_of(str(run), mixed.truth.name, mixed.truth, judged)
        lost = losses(judged, mixed.arrived)
        calibrated = reliability(claims_of(judged, run.name))
        checked = cross_check(mixed.truth, settings.out / "lab")
    witnesses = {
        "dropped": record.dropped,
        "silent": mixed.silent,
        "ended": record.ended,
        "id_conflicts": mixed.id_conflicts,
        "compared": checked.compared,
        "differ": checked.differ,
    }
    value = save(
        folder / RESULT,
        {
            **made(seed, clients),
            "settings": {**msgspec.structs.asdict(settings), "out": folder.name},
            "comparison": built(comparison),
            "reliability": calibrated,
            "lost": lost,
            "witnesses": witnesses,
            "link": record.link,
            "seconds": round(time.monotonic() - begin, 1),
        },
    )
    emit(as_json, value, lambda: _show(value, comparison, calibrated, folder))
    flaw = _flaw(record, comparison)
    if flaw:
        raise click.ClickException(flaw)


def _config(subnets: int, one_ip: bool, replies: str, seed: int) -> dict[str, Any]:
    """Return the window's configuration, without bootstrap."""
    config = tomllib.loads(shipped.text("lab"))
    del config["canaries"]  # the clients' own lookups are what is judged
    first = MONITORS.network_address
    monitors = [str(first + 1)] if one_ip else [f"{first + 256 * i}/24" for i in range(subnets)]
    ports = "20881-21904" if one_ip else "20881-20884"
    config |= {"zone": ZONE, "seed": seed, "duration": "6h"}
    config["addresses"] |= {"crawler": CRAWLER, "monitors": monitors, "ports": ports}
    config["replies"] = {"mode": replies}
    return config


class _Played(NamedTuple):
    """The sealed run, what happened, when the workload began, and when the window was told to end."""

    run: Path
    record: Record
    went_ns: int
    until_ns: int


def _play(settings: MixedSettings, config: dict[str, Any], step: Callable[[str], None]) -> _Played:
    """Play the whole scene; raises LabError."""
    with mixed_network(settings) as network:
        step(f"starting {settings.nodes} nodes, {settings.libtorrent} of them libtorrent")
        network.wait_converged()
        step("the nodes know each other")
        config["bootstrap"] = [f"{ip}:{port}" for ip, port in network.bootstrap]
        monitoring = Monitoring(network.ground.public, settings.out, config)
        try:
            visible = _wait_visible(network, monitoring)
            step(f"{visible} monitors are handed out, of {network.public_nodes} nodes that can be reached")
            went_ns = time.time_ns()
            network.work()
            until_ns = time.time_ns()
            monitoring.end()
        finally:
            monitoring.kill()
        step("the workload is over, the run sealed")
    return _Played(monitoring.run, network.record(), went_ns, until_ns)


def _wait_visible(network: MixedNetwork, monitoring: Monitoring) -> int:
    """Wait until all nodes hand their monitors out, or for long enough; return how many do."""
    end = time.monotonic() + VISIBLE_S
    while True:
        network.wait(1.0)
        monitoring.check()
        visible = sum(bool(one.visible) and not one.visible[-1][1] for one in monitoring.attachments())
        if (network.settled and visible >= network.public_nodes) or time.monotonic() > end:
            return visible


def _flaw(record: Record, comparison: Comparison) -> str:
    """Return why the figures are none of the whole workload, empty if they are."""
    if record.dropped:
        return f"the witnesses missed {record.dropped} packets: the truth is incomplete"
    return comparison.flaw


def _show(value: dict[str, Any], comparison: Comparison, calibrated: Reliability, folder: Path) -> None:
    groups: list[tuple[str, ...]] = [("By", "", "Captured", "Observed destination", "Inferred destination")]
    groups += [
        (one.by, one.name, _short(one.capture), _short(one.destination), _short(one.inferred))
        for one in comparison.groups
    ]
    causes = [row[:-1] for row in why_missed(comparison)]  # what they mean is in the file
    for grid in (
        [*rows(comparison), *_notes(value)],
        groups,
        causes if len(causes) > 1 else [("Nothing was missed.",)],
        table(calibrated),
    ):
        click.echo("\n".join(aligned(grid)) + "\n")
    tell(f"confidence {summary(calibrated)}")
    tell(f"{line(value)}. Wrote {folder / RESULT} in {value['seconds']:.0f} s")


def _short(share: Proportion) -> str:
    """Return such as "99.2% (98.1-99.7) of 623"."""
    if not share.trials:
        return "none"
    return f"{share.share:.1%} ({100 * share.low:.1f}-{100 * share.high:.1f}) of {share.trials}"


def _notes(value: dict[str, Any]) -> list[tuple[str, str]]:
    witnesses, link, lost = value["witnesses"], value["link"], value["lost"]
    notes = [
        (
            "Copies for the destination's monitor lost",
            f"{lost['network']} by the network, {lost['montra']} by montra; {lost['symmetric']} from another port of a "
            "symmetric NAT",
        ),
        (
            "Witnesses",
            f"{witnesses['dropped']} packets dropped; of {witnesses['compared']} libtorrent lookups, "
            f"{witnesses['differ']} differ from the nodes' own logs; {witnesses['ended']} programs ended by themselves",
        ),
    ]
    if link:
        notes.append(("Link", ", ".join(f"{count} {name}" for name, count in link.items())))
    return notes
