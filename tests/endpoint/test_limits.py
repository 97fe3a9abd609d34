from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import Datagram
from montra.endpoint.limits import Buckets, Limits, LimitSettings, Rate

SECOND = 1_000_000_000


@pytest.mark.parametrize(("per_s", "burst"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (1.0, 0)])
def test_bad_rates(per_s: float, burst: int) -> None:
    with pytest.raises(ValueError, match="a rate needs"):
        Rate(per_s, burst)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, math.nan])
def test_bad_share(share: float) -> None:
    with pytest.raises(ValueError, match="scheduled_share"):
        LimitSettings(scheduled_share=share)


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    buckets = Buckets(Rate(4, 3))
    now = 100 * SECOND
    for _ in range(3):
        assert buckets.next_ns(7) <= now
        buckets.take(now, 7)
    assert buckets.next_ns(7) == now + SECOND // 4
    assert buckets.next_ns(8) == 0
    now += SECOND // 4
    buckets.take(now, 7)
    assert buckets.next_ns(7) == now + SECOND // 4
    # full again after three intervals, never fuller
    now += 100 * SECOND
    for _ in range(3):
        assert buckets.next_ns(7) <= now
        buckets.take(now, 7)
    assert buckets.next_ns(7) > now


def test_no_limit_is_inf() -> None:
    buckets = Buckets(Rate(math.inf, 1))
    for _ in range(1000):
        assert buckets.next_ns(1) <= 5
        buckets.take(5, 1)


def test_full_buckets_are_forgotten() -> None:
    buckets = Buckets(Rate(10, 5))
    for i in range(200_000):  # 1,000 new keys a second; each is full again after 100 ms
        buckets.take(i * SECOND // 1000, i)
        assert len(buckets) <= 4097
    assert buckets.next_ns(199_999) <= 200 * SECOND


@given(
    st.floats(0.5, 2000),
    st.integers(1, 20),
    st.lists(st.integers(0, 300_000_000), min_size=1, max_size=200),
)
def test_never_more_than_burst_and_rate_in_any_window(per_s: float, burst: int, gaps: list[int]) -> None:
    buckets = Buckets(Rate(per_s, burst))
    now, sent = SECOND, []
    for gap in gaps:
        now += gap
        if buckets.next_ns(1) <= now:
            buckets.take(now, 1)
            sent.append(now)
    for i, first in enumerate(sent):
        for j in range(i, len(sent)):
            assert j - i + 1 <= burst + per_s * (sent[j] - first) / 1e9 + 1e-6


def test_gates_of_a_datagram() -> None:
    limits = Limits(LimitSettings())
    monitor, crawler = Datagram(5, 0x0A000107, 6881, b""), Datagram(0, 0x0A000107, 6881, b"")
    target, subnet = (0, 0x0A000107 << 16 | 6881), (1, 0x0A0001)
    assert limits.gates(monitor, True) == (target, subnet, (3, 0))
    assert limits.gates(monitor, False) == (target, subnet, (2, 0), (3, 0))
    # the crawler's next query follows on a reply, but is no answer
    assert limits.gates(crawler, True) == (target, subnet, (2, 0), (3, 0))


def test_scheduled_share_of_the_total() -> None:
    limits = Limits(LimitSettings(total=Rate(100, 40), scheduled_share=0.75))
    scheduled, total = (2, 0), (3, 0)
    sent = 0
    while limits.next_ns(scheduled) <= SECOND:
        limits.take(SECOND, (scheduled, total))
        sent += 1
    assert sent == 30
    assert limits.next_ns(total) <= SECOND  # a quarter is left for answers
    assert limits.next_ns(scheduled) == SECOND + 13_333_334
    assert len(limits) == 2
    assert LimitSettings(total=Rate(100, 40), scheduled_share=0.75).scheduled_per_s == 75.0
