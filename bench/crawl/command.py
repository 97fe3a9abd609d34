"""`montra bench crawl`: how fast is a zone of 32,000 nodes crawled?"""

from __future__ import annotations

import statistics
from typing import Any

import click

from bench.common import machine
from bench.common.options import Common, common
from bench.common.outcome import Curve, Goal, Outcome, ratios
from bench.crawl import runs
from bench.crawl.accounting import problems
from crawler.settings import CrawlSettings

_RATE = "nodes found, a second"
_CPU_RATE = "nodes found, a CPU second"
_RATE_99 = "nodes found, a second, until it had 99 %"
_FOUND = "living nodes found (%)"
_BURST = "burst to one node at 1/s"
_WANTED_RATE = 10_000


@click.command("crawl")
@click.option("--nodes", type=click.IntRange(100, 1_000_000), default=32_000, show_default=True, help="In the zone.")
@click.option("--gone", default=0.07, show_default=True, help="Share of contacts in tables that are gone.")
@click.option("--box", default=4.0, show_default=True, help="Seconds for each crawl by plain code.")
@click.option("--port", default=22_000, show_default=True, help="First of five UDP ports.")
@common(sizes=(2_000, 4_000, 8_000, 16_000, 32_000))
def command(given: Common, nodes: int, gone: float, box: float, port: int) -> Outcome:
    """Crawl a zone on loopback: montra, and plain code with one and with many questions open."""
    place = runs.prepare(given.folder, port)
    outcome = Outcome("crawl", machine.describe(given.folder), _settings(nodes, gone, box))
    zoo = runs.populate(place, nodes, gone)
    for number in range(given.rounds):
        one: dict[str, dict[str, Any]] = {}
        for system in runs.SYSTEMS:
            one[system] = _figures(outcome, system, runs.run(system, zoo, place, number + 1, box))
            given.say(f"round {number + 1}, {system}: {one[system][_RATE]:,.0f} nodes/s")
        outcome.rounds.append(one)
    outcome.summarise(*dict.fromkeys(name for figures in outcome.rounds[0].values() for name in figures))
    for other in list(runs.SYSTEMS)[2:]:
        for figure in (_RATE, _RATE_99, _CPU_RATE):
            outcome.ratios[f"montra / {other}: {figure}"] = ratios(outcome.rounds, "montra", other, figure)
    if given.sizes:
        _curves(outcome, given, place, gone)
    outcome.goals += _goals(outcome, nodes)
    outcome.notes += _notes(box)
    return outcome


def _settings(nodes: int, gone: float, box: float) -> dict[str, Any]:
    fast, limits = runs.FAST, runs.LIMITS
    return {
        "nodes": nodes,
        "contacts gone": gone,
        "nodes outside": runs.OUTSIDE,
        "time-out s": f"{fast.timeout_s:g} (Internet waits: {runs.PATIENT.timeout_s:g})",
        "between packets to a node s": f"{fast.spacing_s:g} (Internet waits: {runs.PATIENT.spacing_s:g})",
        "retries": fast.retries,
        "questions to a node": fast.queries_per_node,
        "max_pps": f"{fast.max_pps:g}",
        "max_in_flight": fast.max_in_flight,
        "limit to a node": f"{limits.target.per_s:g}/s, burst {limits.target.burst}",
        "limit to a /24": f"{limits.subnet.per_s:g}/s, burst {limits.subnet.burst}",
        "box of plain code s": box,
    }


def _figures(outcome: Outcome, system: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one run; adds to the outcome what does not add up in it."""
    is_montra = isinstance(runs.SYSTEMS[system], CrawlSettings)
    outcome.problems += problems(system, result, runs.LIMITS if is_montra else None)
    row = result.get("row") or {}
    seconds = max((row["end_ns"] - row["begin_ns"]) / 1e9 if row else result.get("seconds", 0.0), 1e-9)
    queries = result["swarm"]["received"]
    rate = rate_99 = result["found"] / seconds
    if is_montra:  # plain code has ended by then
        wanted = round(runs.WANTED * result["living"])
        found = result["found_s"]
        rate_99 = wanted / found[wanted - 1] if len(found) >= wanted else rate
    figures = {
        _RATE: rate,
        _RATE_99: rate_99,
        _CPU_RATE: result["found"] / result["cpu"],
        _FOUND: 100 * result["found"] / result["living"],
        "time (s)": seconds,
        "CPU used (%)": 100 * result["cpu"] / seconds,
        "CPU for each query (us)": 1e6 * result["cpu"] / queries,
        "queries for each node found": queries / max(result["found"], 1),
        "time-outs": result["crawler"].get("timeout", 0) if is_montra else result["timeouts"],
        "peak memory (MiB)": result["rss_mib"],
        "most queries to one node in 1 s": result["target"]["most_1s"],
        "most queries to one node in 10 s": result["target"]["most_10s"],
        _BURST: result["target"]["burst"],
        "most queries to one /24 in 1 s": result["subnet"]["most_1s"],
    }
    if is_montra:
        figures["late replies"] = result["crawler"].get("late_reply", 0)
    else:
        figures["crawls ended before their time was over"] = int(result["over"])
    return figures


def _curves(outcome: Outcome, given: Common, place: runs.Place, gone: float) -> None:
    """Measure montra's crawls of zones of several sizes."""
    cpu: list[float] = []
    wall: list[float] = []
    for size in given.sizes:
        zoo = runs.populate(place, size, gone)
        rounds = [
            _figures(outcome, "montra", runs.run("montra", zoo, place, number + 1, 0.0))
            for number in range(given.rounds)
        ]
        wall.append(statistics.median(one["time (s)"] for one in rounds))
        cpu.append(statistics.median(one["time (s)"] * one["CPU used (%)"] / 100 for one in rounds))
        given.say(f"{size} nodes: {wall[-1]:.2f} s, {cpu[-1]:.2f} s of CPU")
    sizes = tuple(map(float, given.sizes))
    outcome.curves.append(Curve("CPU time of a crawl", "living nodes in the zone", sizes, "CPU time (s)", tuple(cpu)))
    outcome.curves.append(Curve("time of a crawl", "living nodes in the zone", sizes, "time (s)", tuple(wall)))


def _goals(outcome: Outcome, nodes: int) -> list[Goal]:
    figures = outcome.figures["montra"]
    rate, found, burst = figures[_RATE], figures[_FOUND], figures[_BURST]
    limit = runs.LIMITS.target
    kept = not any("limit of the" in problem for problem in outcome.problems)
    return [
        Goal(
            f"a zone of {nodes:,} nodes, fully crawled",
            f"{_WANTED_RATE:,} nodes/s or more",
            f"{rate.median:,.0f} nodes/s ({rate.least:,.0f} to {rate.most:,.0f})",
            rate.median >= _WANTED_RATE,
        ),
        Goal("living nodes found", "99 % or more in each round", f"{found.least:.2f} % at least", found.least >= 99),
        Goal(
            "queries to one node",
            f"{limit.per_s:g}/s in the long run, burst {limit.burst}",
            f"a burst of {burst.most:.1f} at most",
            kept,
        ),
        *(
            Goal(
                f"{curve.name} against size",
                "no faster than n log n",
                f"(n log n)^{curve.exponent:.2f}",
                curve.grows_as_wanted,
            )
            for curve in outcome.curves
        ),
    ]


def _notes(box: float) -> list[str]:
    return [
        "montra's crawl ends when all questions are answered or given up: its last part is two time-outs in a row for "
        "nodes that are gone. Hence the rate until it had 99 % beside the one of the whole.",
        f"Plain code stops at {runs.WANTED:.0%} or after {box:g} s; its rate is what it found in that time.",
        "The swarm answers at once: on a real link one at a time waits a round trip for each question as well.",
    ]
