"""Small and middle-sized tables of a data set: its runs, their numbers, targets, crawls and ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.attachments import Attachments
from analysis.load import Run, load
from analysis.network.clients import plain_name
from analysis.quantity import Quantity, made_by
from analysis.result import Analysis
from analysis.table import Column, Table
from zone_store.captures import CrawlRow, Loss, Status


class Place(NamedTuple):
    """Where a run stands in the data set: its partition."""

    overlay: str
    zone: str
    window: str

    def __str__(self) -> str:
        return f"overlay={self.overlay}/zone={self.zone}/window={self.window}"


ALL = Place("", "", "")
"""The place of what is about all runs together."""


def targets(run: Run, client: Callable[[int], str] | None, k: int) -> Table:
    """Return the targets of a run, with its attachments: one row for each, without their IDs and addresses.

    client: names a version, None where versions tell no client; names of fewer than k nodes are blanked.
    """
    rows = run.attachments
    visible = np.zeros(len(rows), np.float64)
    np.add.at(visible, rows.visible_of, (rows.visible_end_ns - rows.visible_begin_ns) / 1e9)
    reasons = np.array(rows.reasons, np.str_)[rows.reason].tolist()

    def bit(status: Status) -> NDArray[np.bool_]:
        return (rows.status & int(status)) > 0

    return Table(
        "targets",
        "Targets",
        "One interval in which a node of the zone was known under one ID at one address, and its monitor beside it.",
        made_by(targets),
        ("targets",),
        (
            Column("number", rows.number, "", "of the interval; lookups name their destinations by it"),
            Column("node", rows.node, "", "of the node ID, in order of IDs; nodes come back with it"),
            Column("host", _by_appearance(rows.address), "", "of the node's address, in order of discovery"),
            Column("found_ns", rows.found_ns, "ns", "first answer to the crawler"),
            Column("introduced_ns", rows.introduced_ns, "ns", "first introduction of the monitor, 0 = never"),
            Column("accepted_ns", rows.accepted_ns, "ns", "first answer to the monitor, 0 = never"),
            Column("until_ns", rows.until_ns, "ns", "end of the interval, or of the run"),
            Column("visible_s", visible, "s", "how long the node was seen handing the monitor out"),
            Column("lost", rows.lost, "", "whether it ended before the run did"),
            Column("reason", reasons, "", "why it ended"),
            Column("bare", rows.bare, "", "whether it was left without a monitor by choice"),
            Column("client", _clients(rows, client, k), "", "client by its version; empty if unknown or of few nodes"),
            Column("udp_firewalled", bit(Status.UDP_FIREWALLED), "", "by the node's own word"),
            Column("tcp_firewalled", bit(Status.TCP_FIREWALLED), "", "by the node's own word"),
        ),
    )


def crawls(run: Run) -> Table:
    """Return the crawls of a run."""
    meanings = {
        "number": ("", "of the crawl"),
        "begin_ns": ("ns", "its beginning"),
        "end_ns": ("ns", "its end"),
        "seen": ("nodes", "of the zone that were named or answered"),
        "answered": ("nodes", "of the zone that answered"),
        "new": ("nodes", "that answered for the first time"),
        "gone": ("nodes", "that were given up"),
        "changed": ("nodes", "that had another ID or address than before"),
        "queries": ("datagrams", "sent"),
        "replies": ("datagrams", "received"),
        "estimate": ("nodes", "in the zone by capture and recapture, 0 = not estimated"),
        "completeness": ("share", "of them that were found, at most"),
        "completeness_low": ("share", "lower bound of the 95 % interval"),
        "completeness_high": ("share", "upper bound of the 95 % interval"),
    }
    return _of_rows("crawls", "Crawls", "One crawl of the zone.", crawls, "crawls", run.crawls, CrawlRow, meanings)


def ledger(run: Run) -> Table:
    """Return what a run says it lost."""
    meanings = {
        "name": ("", "what was lost or refused"),
        "begin_ns": ("ns", "from"),
        "end_ns": ("ns", "to"),
        "count": ("", "how often; seconds where it names times"),
    }
    about = "One thing that was lost or refused between two times."
    return _of_rows("ledger", "Ledger of losses", about, ledger, "ledger", run.losses, Loss, meanings)


def runs(rows: Sequence[tuple[Place, Analysis, Mapping[str, Any]]]) -> Table:
    """Return the runs of the data set; with each, its `pseudonyms`, `lookups`, `keyless`, `keys`, `keys_left_out`."""
    manifests = [analysis.run.manifest for _, analysis, _ in rows]
    every = [analysis.run for _, analysis, _ in rows]

    def more(name: str) -> NDArray[np.int64]:
        return np.array([one[name] for _, _, one in rows], np.int64)

    return Table(
        "runs",
        "Runs",
        "One run: one zone of one network during one window.",
        made_by(load),
        ("manifest", "lookups"),
        (
            *_places([place for place, _, _ in rows]),
            Column("start_ns", np.array([run.start_ns for run in every], np.int64), "ns", "begin of the window"),
            Column("end_ns", np.array([run.end_ns for run in every], np.int64), "ns", "end of the window"),
            Column("running_s", np.array([run.running_seconds for run in every]), "s", "window without its gaps"),
            Column("captures", np.array([run.captures for run in every], np.int64), "datagrams", "copies stored"),
            Column("lookups", more("lookups"), "lookups", "rows in lookups"),
            Column("lookups_without_key", more("keyless"), "lookups", "rows whose key is blanked"),
            Column("keys", more("keys"), "keys", "rows in keys"),
            Column("keys_left_out", more("keys_left_out"), "keys", "that fewer than k addresses asked for"),
            Column("k", np.array([one.given.least_people for _, one, _ in rows]), "", "least people to be shown"),
            Column("pseudonyms", [one["pseudonyms"] for _, _, one in rows], "", "runs that share it share pseudonyms"),
            Column("sealed", np.array([one.sealed for one in manifests], np.bool_), "", "whether the run was closed"),
            Column("exit", [plain_name(one.exit) for one in manifests], "", "why it ended"),
            Column("montra_version", [one.montra_version for one in manifests], "", "that made the run"),
            Column("manifest_sha256", [run.digest for run in every], "", "digest of the run's manifest"),
        ),
    )


def quantities(rows: Sequence[tuple[Place, Mapping[str, Quantity]]]) -> Table:
    """Return all numbers, with intervals where they have any."""
    found = [(place, name, one) for place, numbers in rows for name, one in numbers.items()]

    def numbers(name: str) -> NDArray[np.float64]:
        return np.array([getattr(one, name) for _, _, one in found], np.float64)

    return Table(
        "quantities",
        "Numbers",
        "One number of one run, or, where the place is empty, of all runs together.",
        made_by(Quantity),
        ("lookups", "captures", "targets", "crawls", "ledger", "canaries", "validation", "contents", "manifest"),
        (
            *_places([place for place, _, _ in found]),
            Column("name", [name for _, name, _ in found], "", "chapter and name"),
            Column("value", numbers("value"), "", "missing where it cannot be told"),
            Column("low", numbers("low"), "", "lower bound of the 95 % interval, missing where none is stated"),
            Column("high", numbers("high"), "", "upper bound"),
            Column("unit", [one.unit for _, _, one in found], "", "of value and bounds"),
            Column("function", [one.function for _, _, one in found], "", "what made it"),
        ),
    )


def left_out(rows: Sequence[tuple[Place, str, int]]) -> Table:
    """Return how many rows of which table of which run are left out."""
    return Table(
        "left_out",
        "Rows left out",
        "One table of one run from which rows were left out, being about fewer than k people.",
        made_by(left_out),
        ("lookups",),
        (
            *_places([place for place, _, _ in rows]),
            Column("table", [name for _, name, _ in rows], "", "name of the table"),
            Column("rows", np.array([n for _, _, n in rows], np.int64), "rows", "left out"),
        ),
    )


def _places(places: Sequence[Place]) -> tuple[Column, ...]:
    return (
        Column("overlay", [place.overlay for place in places], "", "the network"),
        Column("zone", [place.zone for place in places], "", "prefix of the zone's IDs, and its length in bits"),
        Column("window", [place.window for place in places], "", "begin of the run, UTC"),
    )


def _of_rows(
    name: str,
    title: str,
    about: str,
    function: Callable[..., Any],
    given: str,
    rows: Iterable[Any],
    kind: type[Any],
    meanings: Mapping[str, tuple[str, str]],
) -> Table:
    """Return the fields of rows as columns."""
    every = list(rows)
    types = {field.name: field.type for field in fields(kind)}
    columns = []
    for column, (unit, meaning) in meanings.items():
        values = [getattr(row, column) for row in every]
        if types[column] == "str":
            columns.append(Column(column, [plain_name(value) for value in values], unit, meaning))
        else:
            number = np.float64 if types[column] == "float" else np.int64
            columns.append(Column(column, np.array(values, number), unit, meaning))
    return Table(name, title, about, made_by(function), (given,), tuple(columns))


def _by_appearance(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers in order of first appearance, from 0: an order by address would tell of addresses."""
    _, first, where = np.unique(places, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[where]


def _clients(rows: Attachments, client: Callable[[int], str] | None, k: int) -> list[str]:
    versions, where = np.unique(rows.version, return_inverse=True)
    names = [plain_name(client(version)) if client and version else "" for version in versions.tolist()]
    nodes: dict[str, set[int]] = {}
    for name, node in zip((names[at] for at in where.tolist()), rows.node.tolist(), strict=True):
        nodes.setdefault(name, set()).add(node)
    return [names[at] if len(nodes[names[at]]) >= k else "" for at in where.tolist()]
