"""The numbers of the chapter on imbalance in words: what each is of, how its bounds were made, why it is missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.imbalance.ends import Ends, ends_of, share_elsewhere
from analysis.imbalance.estimates import Estimate, Uneven, rates, realised
from analysis.imbalance.keys import LEAST_PAIRS, KeyLoad, effective, key_load_of
from analysis.imbalance.nodes import NodeLoad, node_load
from analysis.imbalance.popular import CARRIED_KEYS, Hottest, hottest
from analysis.quantity import Quantity, made_by

if TYPE_CHECKING:
    from analysis.imbalance.chapter import Imbalance

_MEASURES = {
    "gini": ("", "Gini coefficient of {}"),
    "top_1_percent": ("share", "Share of {} that the most loaded 1 % have (one at least)"),
    "top_10_percent": ("share", "Share of {} that the most loaded 10 % have (one at least)"),
    "variation": ("", "Coefficient of variation (standard deviation over mean) of {}"),
}
_BITS = (("", "the median"), ("_10", "one tenth of them are below it"), ("_90", "one tenth of them are above it"))
_NODE_LOAD = "the loads of nodes, lookups a minute while watched,"
_IMPUTED = (
    "What was missed is drawn again and again from the captured counts and the capture rate; the interval is where "
    "such draws lie. Supposes that lookups are missed one by one{}."
)
_UNMEASURED = "As captured: nobody measured what was missed, so no interval is stated."


def quantities_of(chapter: Imbalance) -> list[Quantity]:
    """Return all numbers of the chapter."""
    source = () if not chapter.capture else (chapter.capture,)
    return [
        *_of_nodes(chapter.nodes, source),
        *_of_keys(chapter.keys, source),
        *_of_ends(chapter.ends),
        *_of_hottest(chapter.hottest),
    ]


def _of_nodes(load: NodeLoad, source: tuple[str, ...]) -> list[Quantity]:
    inputs = ("lookups", "targets")
    counted = made_by(node_load)
    wherever = ", of each node unlike often (by a third); inferred destinations are doubted as their confidences say"
    return [
        Quantity("nodes", len(load.name), "nodes", "Nodes watched for a tenth of the running time.", counted, inputs),
        *_measures(
            "nodes",
            load.realised,
            f"{_NODE_LOAD} over all lookups made in the window, captured or not",
            made_by(realised),
            (*inputs, *source),
            _IMPUTED.format(wherever) if source else _UNMEASURED,
        ),
        *_measures(
            "node_rates",
            load.rates,
            "the rates of nodes, what their loads would be in a window without end,",
            made_by(rates),
            (*inputs, *source),
            "Chance taken out, supposing that requesters come independently (Poisson), each with repeats; nodes are "
            "missed unlike often (by a third); destinations are doubted. Gini coefficient and shares: from "
            "the lower bound of cross-validation to the upper bound of the captured counts. Variation: from estimates "
            "of drawn counts.",
            "no lookups, or too few nodes",
        ),
        *_measures(
            "nodes_hashing",
            load.hashing,
            f"{_NODE_LOAD} if each lookup were for a random key of its own, at the same times",
            counted,
            (*inputs, *source),
            "The range of 95 % of draws: where hashing and chance alone leave it.",
        ),
        *_measures(
            "nodes_gaps",
            load.gaps,
            "the parts of the key space that fall to nodes by their IDs: hashing alone, without chance,",
            counted,
            inputs,
            "Exact for the nodes attached at the moments looked at.",
        ),
        Quantity(
            "node_variance_by_gaps",
            _by_gaps(load),
            "share",
            "Part of the variance of nodes' rates (squared coefficient of variation) that gaps between IDs explain; "
            "the rest is popular keys, and lookups that end elsewhere.",
            made_by(_by_gaps),
            inputs,
            method="No interval is stated: a ratio of two numbers above.",
            withheld="" if load.rates.variation.value > 0 else "the rates of nodes do not differ, or are not known",
        ),
    ]


def _by_gaps(load: NodeLoad) -> float:
    """Return the squared variation by gaps over that of the rates, 1 at most; NaN where a part is unknown."""
    whole = load.rates.variation.value
    return min(1.0, (load.gaps.variation.value / whole) ** 2) if whole > 0 else math.nan


def _of_keys(load: KeyLoad, source: tuple[str, ...]) -> list[Quantity]:
    inputs = ("lookups", *source)
    method = _IMPUTED.format(", of each key unlike often (by a third)") if source else _UNMEASURED
    return [
        _quantity(
            "keys_looked_up",
            load.looked_up,
            "keys",
            "Keys looked up at least once in the window, captured or not.",
            made_by(key_load_of),
            inputs,
            method,
        ),
        *_measures(
            "keys",
            load.realised,
            "lookups of keys, among those looked up at least once in the window",
            made_by(key_load_of),
            inputs,
            method,
        ),
        *_measures(
            "keys_chance",
            load.chance,
            "lookups of keys if all were alike popular, so by chance alone",
            made_by(key_load_of),
            ("lookups",),
            "Computed, not estimated.",
        ),
        _quantity(
            "effective_keys",
            load.effective,
            "keys",
            "So many keys, all alike popular, would let two requesters meet at one key as often (inverse of Simpson's "
            "index of the keys' rates). Missed lookups and chance do not bias it.",
            made_by(effective),
            ("lookups",),
            "Delta method on the logarithm. Supposes that requesters, by (address, port), are independent.",
            f"fewer than {LEAST_PAIRS} pairs of requesters met at one key",
        ),
    ]


def _of_ends(ends: Ends) -> list[Quantity]:
    inputs = ("lookups", "targets", "crawls")
    function = made_by(share_elsewhere)
    sampled = f"Over {ends.sampled:,} such lookups that were looked at." if ends.sampled else ""
    none = "no lookup ended elsewhere" if ends.judged else "no lookup was captured while a node was attached"
    return [
        _quantity(
            "ended_elsewhere",
            ends.share,
            "share",
            "Share of captured lookups that did not end at the node nearest to their key, of those known then; without "
            "those lookups whose nearest node had just left, as crawls found afterwards.",
            function,
            inputs,
            "From what is sure of it to what is possible, as the confidences of destinations and the node time without "
            "a monitor say, and 1.96 standard deviations beyond, all lookups that ended at one node being right or "
            "wrong together. It stands on confidences that are right on average."
            + (f" Without {ends.departed:,} lookups whose nearest node had left." if ends.departed else ""),
            none,
        ),
        Quantity(
            "destination_confidence",
            ends.confidence,
            "share",
            "Mean probability that the inferred destination is right.",
            function,
            inputs,
            withheld="" if ends.judged else none,
        ),
        *(
            Quantity(
                f"elsewhere_bits{ending}",
                value,
                "bits",
                "Of lookups inferred to have ended elsewhere: how much farther from the key than the nearest node, as "
                f"log2 of the ratio of XOR distances; {which}.",
                made_by(ends_of),
                inputs,
                method=f"{sampled} No interval is stated: it is of inferred ends as they are.".strip(),
                withheld="" if ends.sampled else none,
            )
            for (ending, which), value in zip(_BITS, ends.bits, strict=True)
        ),
    ]


def _of_hottest(hot: Hottest) -> list[Quantity]:
    inputs = ("lookups", "targets")
    lookups = float(hot.lookups.sum())
    none = "" if lookups else "no lookup ended at a watched node"
    shares = (
        ("hottest_top_key", hot.top_key, "the one key that each is asked for most"),
        ("hottest_popular", hot.popular, f"the {CARRIED_KEYS} most popular keys of the zone"),
    )
    return [
        Quantity(
            name,
            float((values * hot.lookups).sum() / lookups) if lookups else math.nan,
            "share",
            f"Of the captured lookups at the {len(hot.name)} most loaded nodes, the share for {what}.",
            made_by(hottest),
            inputs,
            method="No interval is stated: as captured.",
            withheld=none,
        )
        for name, values, what in shares
    ]


def _measures(
    prefix: str, of: Uneven, what: str, function: str, inputs: tuple[str, ...], method: str, why: str = "no lookups"
) -> list[Quantity]:
    return [
        _quantity(
            f"{prefix}_{name}", estimate, unit, f"{words.format(what).rstrip(',')}.", function, inputs, method, why
        )
        for (name, (unit, words)), estimate in zip(_MEASURES.items(), of, strict=True)
    ]


def _quantity(
    name: str,
    estimate: Estimate,
    unit: str,
    meaning: str,
    function: str,
    inputs: tuple[str, ...],
    method: str,
    why: str = "no lookups",
) -> Quantity:
    return Quantity(
        name,
        estimate.value,
        unit,
        meaning,
        function,
        inputs,
        estimate.low,
        estimate.high,
        method,
        why if math.isnan(estimate.value) else "",
    )
