"""Chances learned from a run: how often monitors that nothing hides are asked."""

from __future__ import annotations

import numpy as np
import pytest

from zone_store.attribution.chances import LAB
from zone_store.attribution.infer import Inference
from zone_store.attribution.learn import Tally, learned, tally_of
from zone_store.attribution.targets import Targets
from zone_store.captures import Attachment, Captures, Kind

SECOND = 1_000_000_000
LIBTORRENT = 0x4C540201


def fleet(ips: list[int], lost: int = 0) -> Targets:
    """Return targets 1, 2, 3, ... by distance from key 0, attached and seen from 1 s on."""
    rows = [
        Attachment(n, bytes([0, n]), n, 1, bytes([0, n]), ip, n, SECOND, SECOND, SECOND, ((SECOND, 0),), lost, "gone")
        for n, ip in enumerate(ips, 1)
    ]
    end = Attachment(99, b"\xff\xff", 1, 1, b"\xff\xff", 1 << 24, 1, SECOND, SECOND, SECOND, (), 1000 * SECOND, "gone")
    return Targets([*rows, end], 2)


def lookups(heard: list[list[int]], version: int = LIBTORRENT) -> Captures:
    """Return lookups of key 0, each by a requester of its own at 100 s, whose copies went to these attachments."""
    n = sum(map(len, heard))
    return Captures(
        np.full(n, 100 * SECOND, np.int64),
        np.array([one for copies in heard for one in copies], np.uint32),
        np.array([i for i, copies in enumerate(heard, 1) for _ in copies], np.uint32),
        np.full(n, 6881, np.uint16),
        np.zeros((n, 2), np.uint8),
        np.zeros((n, 2), np.uint8),
        np.full(n, Kind.LOOKUP, np.uint8),
        np.zeros(n, np.uint16),
        np.full(n, version, np.uint32),
        np.zeros(n, np.uint16),
    )


def tally(targets: Targets, captures: Captures) -> Tally:
    return tally_of(captures, targets, Inference(targets, {0x4C54: 24}, LAB), 60 * SECOND)


APART = [1 << 8, 2 << 8, 3 << 8, 4 << 8, 5 << 8]
ALIKE = [(1 << 8) + n for n in range(5)]


def test_whole_lookups_of_unhidden_monitors_are_counted() -> None:
    heard = [[1, 2, 3, 4], [2, 3, 4, 5], [1, 2, 3, 5], [1, 2]]
    assert tally(fleet(APART), lookups(heard)) == Tally(trials=3, asked=2)


def test_what_may_be_hidden_or_dead_is_not() -> None:
    heard = [[1, 2, 3, 4], [2, 3, 4, 5]]
    assert tally(fleet(ALIKE), lookups(heard)) == Tally(0, 0)
    # A client that takes any number of contacts hides none.
    assert tally(fleet(ALIKE), lookups(heard, version=0)) == Tally(2, 1)
    assert tally(fleet(APART, lost=110 * SECOND), lookups(heard)) == Tally(0, 0)
    assert tally(fleet(APART), lookups([])) == Tally(0, 0)


def test_silence_is_shared_out_as_in_the_lab() -> None:
    usual = (1 - LAB.reached) + (1 - LAB.shown)
    unchanged = learned(LAB, Tally(0, 0))
    assert (unchanged.reached, unchanged.shown) == (pytest.approx(LAB.reached), pytest.approx(LAB.shown))
    worse = learned(LAB, Tally(100_000, 90_000))
    assert (1 - worse.reached) + (1 - worse.shown) == pytest.approx(0.1, rel=0.01)
    assert (1 - worse.shown) / (1 - worse.reached) == pytest.approx((1 - LAB.shown) / (1 - LAB.reached))
    better = learned(LAB, Tally(100_000, 100_000))
    assert 1 > better.reached > LAB.reached
    assert usual > (1 - better.reached) + (1 - better.shown) > 0
    hopeless = learned(LAB, Tally(100_000, 0))
    assert (hopeless.reached, hopeless.shown) == (pytest.approx(0.715, abs=0.01), 0.5)
