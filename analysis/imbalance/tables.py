"""The tables of the chapter on imbalance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.imbalance.caching import Caching, caching
from analysis.imbalance.ends import MOST_RANK, Ends, ends_of
from analysis.imbalance.keys import KeyLoad, key_load_of
from analysis.imbalance.nodes import Curve, NodeLoad, node_load
from analysis.imbalance.popular import CARRIED_KEYS, Carriers, Hottest, carriers, hottest
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.imbalance.chapter import Imbalance

NODE = "number of the node's first attachment, its name outside the store"
_INPUTS = ("lookups", "targets")


def tables_of(chapter: Imbalance) -> list[Table]:
    """Return all tables of the chapter."""
    return [
        load_table(chapter.nodes),
        lorenz_table(chapter.nodes),
        key_lorenz_table(chapter.keys),
        key_load_table(chapter.keys),
        ends_table(chapter.ends),
        carriers_table(chapter.carriers),
        hottest_table(chapter.hottest),
        caching_table(chapter.caching),
    ]


def load_table(load: NodeLoad) -> Table:
    """Return the load of each node, as captured."""
    return Table(
        "load",
        "Load of the nodes",
        "one node that was watched for at least a tenth of the running time",
        made_by(node_load),
        _INPUTS,
        (
            Column("node", load.name, "", NODE),
            Column("watched_s", load.seconds, "s", "running time in which it was watched"),
            Column("lookups", load.lookups, "", "users' lookups that ended there, as inferred and captured"),
            Column("lookups_per_minute", load.a_minute, "a minute", "the same a minute of that time"),
        ),
    )


def lorenz_table(load: NodeLoad) -> Table:
    """Return the Lorenz curves of nodes, one under the other."""
    curves = {"captured": load.curve, "hashing": load.curve_hashing, "gaps": load.curve_gaps}
    return _lorenz(
        "lorenz",
        "Lorenz curves of the nodes' load",
        curves,
        "nodes",
        "captured: of captured lookups a minute; hashing: of lookups for random keys, mean of draws; gaps: of the "
        "parts of the key space",
        made_by(node_load),
        _INPUTS,
    )


def key_lorenz_table(load: KeyLoad) -> Table:
    """Return the Lorenz curve of the keys."""
    return _lorenz(
        "key_lorenz",
        "Lorenz curve of the keys",
        {"captured": load.curve},
        "keys",
        "captured: of captured lookups of keys",
        made_by(key_load_of),
        ("lookups",),
    )


def key_load_table(load: KeyLoad) -> Table:
    """Return how many keys were looked up how often."""
    return Table(
        "key_load",
        "Keys by how often they were looked up",
        "all keys that were looked up equally often",
        made_by(key_load_of),
        ("lookups",),
        (
            Column("lookups", load.lookups, "", "captured users' lookups of each of them"),
            Column("keys", load.keys, "keys", "that were looked up so often"),
        ),
    )


def ends_table(ends: Ends) -> Table:
    """Return how far from the key lookups ended that did not end at the nearest node."""
    total = max(1, ends.sampled)
    return Table(
        "ended_elsewhere",
        "Lookups that ended elsewhere than at the nearest node",
        "those with so many attached nodes nearer to the key than their inferred end"
        + (f" ({MOST_RANK} or more in the last row)"),
        made_by(ends_of),
        (*_INPUTS, "crawls"),
        (
            Column("nearer_nodes", np.arange(MOST_RANK + 1), "nodes", "attached then and nearer to the key"),
            Column("lookups", ends.ranks, "", "of those that were looked at"),
            Column("share", ends.ranks / total, "share", "of those that were looked at"),
        ),
    )


def carriers_table(found: Carriers) -> Table:
    """Return which nodes carry the most popular keys."""
    return Table(
        "carriers",
        "Nodes that carry popular keys",
        f"one of the {CARRIED_KEYS} most popular keys at one node where lookups for it ended",
        made_by(carriers),
        _INPUTS,
        (
            Column("rank", found.rank, "", "of the key by captured lookups, from 1"),
            Column("key", found.key, "", "looked up"),
            Column("node", found.node, "", NODE),
            Column("lookups", found.lookups, "", "for the key that ended at the node, as inferred and captured"),
            Column("of_key", found.of_key, "share", "of the key's lookups"),
            Column("of_node", found.of_node, "share", "of the node's lookups"),
            Column("requesters", found.requesters, "", "distinct (address, port) behind them"),
        ),
        people="requesters",
    )


def hottest_table(hot: Hottest) -> Table:
    """Return the most loaded nodes."""
    return Table(
        "hottest",
        "The most loaded nodes",
        "one node, most loaded first",
        made_by(hottest),
        _INPUTS,
        (
            Column("node", hot.name, "", NODE),
            Column("lookups_per_minute", hot.a_minute, "a minute", "captured, of the time in which it was watched"),
            Column("lookups", hot.lookups, "", "captured"),
            Column("keys", hot.keys, "keys", "distinct, that they were for"),
            Column("top_key", hot.top_key, "share", "of them that are for the key it is asked for most"),
            Column("popular", hot.popular, "share", f"of them for the {CARRIED_KEYS} most popular keys of the zone"),
            Column("requesters", hot.requesters, "", "distinct (address, port) behind them"),
        ),
        people="requesters",
    )


def caching_table(what_if: Caching) -> Table:
    """Return what caching would leave of the load."""
    return Table(
        "caching",
        "What caching near popular keys would leave",
        "one way of caching, the first row without any; lookups for the most popular keys are shared evenly by the "
        "nodes nearest to each; a real scheme would share less evenly",
        made_by(caching),
        _INPUTS,
        (
            Column("keys", what_if.keys, "keys", "most popular ones, that are cached"),
            Column("copies", what_if.copies, "nodes", "nearest to each such key that hold it"),
            Column("hottest", what_if.hottest, "a minute", "captured lookups at the most loaded node"),
            Column("hottest_left", what_if.hottest_left, "share", "of what the most loaded node has without caching"),
            Column("was_hottest_left", what_if.was_hottest_left, "share", "of the load of the 1 % most loaded before"),
            Column("top_1_percent", what_if.top_1_percent, "share", "of all load at the 1 % most loaded then"),
            Column("gini", what_if.gini, "", "Gini coefficient of the nodes' load then"),
        ),
    )


def _lorenz(
    name: str, title: str, curves: dict[str, Curve], of: str, what: str, function: str, inputs: tuple[str, ...]
) -> Table:
    return Table(
        name,
        title,
        f"a point of a curve; {what}",
        function,
        inputs,
        (
            Column("curve", [label for label, (x, _) in curves.items() for _ in x], "", "which curve"),
            Column(f"share_of_{of}", np.concatenate([x for x, _ in curves.values()]), "share", f"of {of}, least first"),
            Column("share_of_load", np.concatenate([y for _, y in curves.values()]), "share", "of the load at those"),
        ),
    )
