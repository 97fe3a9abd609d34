"""Lookups that end elsewhere than at the nearest node: how many, how far, and how sure."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.imbalance.ends import ends_of, share_elsewhere
from analysis.imbalance.estimates import Estimate
from analysis.imbalance.watched import watched

from ..lookups import table
from ..samples import TARGETS, Contents, at, attachment, run_of
from .worlds import LEAST_HITS, hits

RUN = run_of(Contents(attachments=[attachment(i + 1, target) for i, target in enumerate(TARGETS)]))
KEY = TARGETS[0][:2] + b"\x01" + bytes(17)
"""Nearest to the first target, then the second, the third, the fourth."""


def row(inferred: int, closest: int, confidence: float, **more: object) -> dict[str, object]:
    return {
        "time_ns": at(60),
        "key": KEY,
        "inferred": inferred,
        "closest": closest,
        "confidence": confidence,
        "destination": inferred,
        **more,
    }


def test_ends_are_counted_and_looked_at() -> None:
    rows = [row(1, 1, 1.0)] * 6 + [row(2, 1, 0.75)] * 2 + [row(4, 1, 0.75), row(1, 1, 0.5)]
    rows += [row(0, 0, 0.0), row(3, 1, 1.0, maintenance=1), row(3, 1, 1.0, what="node_lookup")]
    with Database.of(table(rows)) as db:
        ends = ends_of(db, RUN, watched(RUN))
    assert (ends.judged, ends.elsewhere, ends.sampled) == (10, 3, 3)
    assert ends.confidence == pytest.approx((6 + 3 * 0.75 + 0.5) / 10)
    assert ends.ranks[:4].tolist() == [0, 2, 0, 1]
    # The second target differs from the key in bit 4 of the second byte, the nearest in the last bit of the third.
    assert ends.bits[0] == pytest.approx(math.log2(0x1001 / 0x01), abs=0.01)
    # At least 0.5 of the nearest and 2.25 of the others ended elsewhere, 0.75 more at most, and the node time missed.
    assert ends.share.value == pytest.approx((0.5 + 2.25 + 3.5) / 20 + watched(RUN).blind / 2)
    assert ends.share.low < 0.275 < ends.share.value < 0.35 < ends.share.high


def test_where_the_nearest_node_had_left_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "analysis.imbalance.ends.left_of", lambda _run: (np.array([1], np.uint32), np.array([at(60)], np.int64))
    )
    rows = [row(1, 1, 1.0, time_ns=at(59)), row(2, 1, 1.0, time_ns=at(59)), row(2, 2, 1.0)] + [row(2, 1, 1.0)] * 7
    with Database.of(table(rows)) as db:
        ends = ends_of(db, RUN, watched(RUN))
    assert (ends.judged, ends.departed, ends.elsewhere, ends.sampled) == (3, 7, 1, 1)
    assert ends.share.value == pytest.approx(1 / 3 + watched(RUN).blind / 2)


def test_of_very_many_every_so_manieth_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.imbalance.ends._JUDGED", 50)
    rows = [row(2, 1, 0.9, time_ns=at(60) + i, key=KEY[:18] + i.to_bytes(2, "big")) for i in range(1000)]
    with Database.of(table(rows)) as db:
        ends = ends_of(db, RUN, watched(RUN))
    assert ends.elsewhere == 1000
    assert 20 <= ends.sampled <= 100
    assert ends.ranks[1] == ends.sampled


def test_nothing_ended_anywhere() -> None:
    with Database.of(table([row(0, 0, 0.0)])) as db:
        ends = ends_of(db, RUN, watched(RUN))
    assert (ends.judged, ends.sampled) == (0, 0)
    assert math.isnan(ends.share.value)
    assert math.isnan(ends.bits[0])


def test_the_share_is_held_where_the_nodes_of_popular_keys_may_have_no_monitor() -> None:
    """Truth: every lookup for a key whose nearest node, one in thirty, has no monitor; keys unequal as Zipf's."""

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        lookups = rng.poisson(200 / np.arange(1, 200) ** 0.8)
        hidden = rng.random(len(lookups)) < 1 / 30
        total = int(lookups.sum())
        effective = total**2 / float((lookups**2).sum())
        found = share_elsewhere(total, 0, float(total), 0.0, np.zeros(60), blind=1 / 30, effective=effective)
        yield "share", found, float(lookups[hidden].sum() / total)

    assert hits(trial)["share"] >= LEAST_HITS


def test_the_share_that_ended_elsewhere_is_held() -> None:
    """Truth: where each of 3,000 lookups ended, given confidences that are right on average, at 60 nodes."""

    def trial(seed: int) -> Iterator[tuple[str, Estimate, float]]:
        rng = np.random.default_rng(seed)
        node = rng.integers(0, 60, 3000)
        confidence = rng.beta(9, 1, 3000)
        inferred_elsewhere = rng.random(3000) < 0.08
        right = rng.random(3000) < confidence
        # A wrong one inferred to be elsewhere ended at the nearest in half of all cases.
        elsewhere = np.where(inferred_elsewhere, right | (rng.random(3000) < 0.5), ~right)
        deviations = np.bincount(node, np.sqrt(confidence * (1 - confidence)), 60)
        sure = confidence[inferred_elsewhere].sum()
        found = share_elsewhere(
            3000, int(inferred_elsewhere.sum()), confidence.sum() - sure, sure, deviations, blind=0.0, effective=500.0
        )
        yield "share", found, float(elsewhere.mean())

    held = hits(trial)
    assert held["share"] >= LEAST_HITS
