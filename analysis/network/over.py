"""The network over several runs: its size, its zones, its clients, and the pattern of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.network.days import Window, by_hour
from analysis.network.over_figures import figures
from analysis.network.shares import shares_of
from analysis.network.zones import NetworkSize, ZoneSize, network_of, zone_sizes
from analysis.page.drawing import Drawing
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.network.lengths import Survival
    from analysis.result import Analysis


@dataclass(frozen=True, slots=True)
class OverNetwork:
    """The results.

    networks: size by overlay; windows: one run a row; days: by hour of the day; clients: of nodes, over zones; stays:
    the survival of stays in each window that tells it, by overlay.
    """

    networks: dict[str, NetworkSize]
    windows: Table
    days: Table
    clients: Table
    stays: dict[str, list[Survival]]

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        found = []
        for overlay, size in self.networks.items():
            told = size.nodes == size.nodes
            found.append(
                Quantity(
                    f"network_size_{overlay}",
                    size.nodes,
                    "nodes",
                    f"reachable nodes of the whole {overlay.capitalize()} network that are up at once",
                    made_by(network_of),
                    ("crawls", "targets", "manifest"),
                    size.low,
                    size.high,
                    f"bounds of the populations, and the chance by which nodes fall into zones, from {size.windows} "
                    f"windows of {size.zones} zones",
                    "" if told else "no crawl was answered",
                )
            )
            counted = (("zones", size.zones, "distinct zones"), ("windows", size.windows, "windows, of all zones,"))
            found += [
                Quantity(
                    f"{name}_{overlay}",
                    count,
                    name,
                    f"{what} of {overlay.capitalize()} whose population is known",
                    made_by(network_of),
                    ("crawls", "manifest"),
                )
                for name, count, what in counted
            ]
        return found

    def tables(self) -> list[Table]:
        """Return the tables."""
        return [zone_sizes(self.networks), self.windows, self.days, self.clients]

    def figures(self) -> list[Drawing]:
        """Return the figures."""
        return figures(self)


def over(analyses: Sequence[Analysis]) -> OverNetwork | None:
    """Return what several runs tell of the network; None for fewer than two."""
    if len(analyses) < 2:
        return None
    sizes: dict[str, list[ZoneSize]] = {}
    stays: dict[str, list[Survival]] = {}
    windows = []
    for one in analyses:
        manifest, network = one.run.manifest, one.network
        people = network.population
        sizes.setdefault(manifest.overlay, []).append(
            ZoneSize(manifest.zone, people.prefix, people.mean, people.mean_low, people.mean_high)
        )
        windows.append(Window(manifest.overlay, network.hours, 2.0**people.prefix))
        if network.churn.product is not None:
            stays.setdefault(manifest.overlay, []).append(network.churn.product)
    return OverNetwork(
        {overlay: network_of(found) for overlay, found in sorted(sizes.items())},
        windows_of(analyses),
        by_hour(windows),
        clients_over(analyses),
        dict(sorted(stays.items())),
    )


def windows_of(analyses: Sequence[Analysis]) -> Table:
    """Return the windows with what each tells of the network."""
    manifests = [one.run.manifest for one in analyses]
    quantities = [{one.name: one for one in analysis.network.quantities()} for analysis in analyses]
    columns = [
        Column("run", [one.run.name for one in analyses], "", "name of the run"),
        Column("overlay", [one.overlay for one in manifests], "", "the network"),
        Column("zone", [one.zone for one in manifests], "", "the zone: prefix and its length in bits"),
        Column("start_ns", np.array([one.run.start_ns for one in analyses], np.int64), "ns", "when the window begins"),
        Column("length_s", np.array([one.run.seconds for one in analyses]), "s", "how long it is"),
    ]
    for name in ("population", "network_size", "arrivals", "departures", "stay_50_create", "stay_50_km", "stay_mean"):
        told = [one[name] for one in quantities]
        columns += [
            Column(name, np.array([one.value for one in told], float), told[0].unit, told[0].meaning),
            Column(f"{name}_low", np.array([one.low for one in told], float), told[0].unit, "95 % bound"),
            Column(f"{name}_high", np.array([one.high for one in told], float), told[0].unit, "95 % bound"),
        ]
    shortest = np.array([one["shortest_stay"].value for one in quantities], float)
    columns.append(Column("shortest_stay", shortest, "s", "shortest stay that rates and lengths of the row are of"))
    return Table(
        "network_windows",
        "The network in each window",
        "one run: a zone at a time",
        made_by(windows_of),
        ("crawls", "targets", "manifest"),
        tuple(columns),
    )


def clients_over(analyses: Sequence[Analysis]) -> Table:
    """Return the clients of nodes over all zones of each overlay, each zone by its first window (thesis, Table III)."""
    counts: dict[tuple[str, str], list[int]] = {}
    spoke: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    for one in sorted(analyses, key=lambda analysis: analysis.run.start_ns):
        overlay, zone = one.run.manifest.overlay, one.run.manifest.zone
        nodes = one.network.nodes
        if (overlay, zone) in seen or not nodes.spoke:
            continue
        seen.add((overlay, zone))
        spoke[overlay] = spoke.get(overlay, 0) + nodes.spoke
        for client in nodes.clients:
            counts.setdefault((overlay, client.name), []).append(client.nodes)
    sums = {row: sum(found) for row, found in counts.items()}
    rows = sorted(sums, key=lambda row: (row[0], -sums[row], row[1]))
    told = [shares_of([sums[row]], spoke[row[0]]) for row in rows]
    bound = "95 % bound of the share in the network (exact binomial, Clopper and Pearson 1934)"
    return Table(
        "node_clients",
        "Clients of the nodes, over all zones",
        "one client in one network, each zone counted by its first window",
        made_by(clients_over),
        ("targets",),
        (
            Column("overlay", [overlay for overlay, _ in rows], "", "the network"),
            Column("client", [name for _, name in rows], "", "its name, by the overlay's reading of versions"),
            Column("nodes", np.array([sums[row] for row in rows], np.int64), "nodes", "distinct node IDs"),
            Column("share", np.array([float(one.share[0]) for one in told]), "share", "of the nodes that spoke"),
            Column("share_low", np.array([float(one.low[0]) for one in told]), "share", bound),
            Column("share_high", np.array([float(one.high[0]) for one in told]), "share", bound),
        ),
        people="nodes",
    )
