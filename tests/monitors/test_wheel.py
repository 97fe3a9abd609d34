from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from montra.monitors.wheel import NEVER, TimerWheel

TICK = 100
ROWS = 12


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.intp)


def times(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_fires_at_the_first_tick_not_before_the_time() -> None:
    wheel = TimerWheel(4, TICK, slots=8)
    wheel.schedule(1000, rows(2, 0, 1), times(1250, 1200, 1250))
    assert wheel.next_ns() == 1200
    assert wheel.drain(1199).tolist() == []
    assert wheel.drain(1200).tolist() == [0]
    assert wheel.next_ns() == 1300
    assert wheel.drain(1299).tolist() == []
    assert wheel.drain(1300).tolist() == [1, 2]
    assert wheel.next_ns() == NEVER
    assert len(wheel) == 0


def test_a_past_time_fires_at_the_next_tick() -> None:
    wheel = TimerWheel(1, TICK)
    wheel.schedule(1050, rows(0), times(3))
    assert wheel.next_ns() == 1100


def test_rescheduling_replaces_and_never_cancels() -> None:
    wheel = TimerWheel(2, TICK, slots=8)
    wheel.schedule(0, rows(0, 1), times(100, 200))
    wheel.schedule(0, rows(0), times(300))
    assert wheel.next_ns() == 200
    wheel.schedule(0, rows(1), times(NEVER))
    assert wheel.next_ns() == 300
    assert wheel.drain(250).tolist() == []
    assert wheel.drain(300).tolist() == [0]


def test_times_beyond_the_ring_wait_in_its_last_slot() -> None:
    wheel = TimerWheel(1, TICK, slots=8)
    wheel.schedule(0, rows(0), times(2000))
    assert wheel.next_ns() == 800
    assert wheel.drain(800).tolist() == []
    assert wheel.drain(1999).tolist() == []
    assert wheel.drain(2000).tolist() == [0]


def test_stale_entries_stay_bounded() -> None:
    wheel = TimerWheel(2, TICK, slots=64)
    for i in range(20_000):
        wheel.schedule(0, rows(0), times(100 * (1 + i % 60)))
        wheel.schedule(0, rows(1), times(3000))
    assert len(wheel) == 2
    assert wheel.entries <= 2 + 64 + 2


def test_refuses_a_ring_without_ticks() -> None:
    with pytest.raises(ValueError, match="at least two slots"):
        TimerWheel(1, TICK, slots=1)


operation = st.one_of(
    st.tuples(st.just("schedule"), st.integers(0, ROWS - 1), st.integers(-50, 3000)),
    st.tuples(st.just("cancel"), st.integers(0, ROWS - 1), st.just(0)),
    st.tuples(st.just("pass"), st.just(0), st.integers(1, 4000)),
)


@given(st.lists(operation, max_size=60), st.integers(2, 16), st.integers(0, 10**6))
@example([("schedule", 0, -1), ("pass", 0, 99)], 2, 0)
def test_every_timer_fires_once_never_early_less_than_a_tick_late(
    operations: list[tuple[str, int, int]], slots: int, start: int
) -> None:
    """Against a plain dictionary of times, waking exactly when the wheel asks to be woken."""
    wheel = TimerWheel(ROWS, TICK, slots)
    now, due = start, dict[int, int]()

    def wake(until: int) -> None:
        nonlocal now
        while wheel.next_ns() <= until:
            now = max(now, wheel.next_ns())
            for row in wheel.drain(now).tolist():
                assert due[row] <= now < max(due[row], began[row]) + TICK
                del due[row]
        now = until
        assert wheel.drain(now).tolist() == []
        assert all(max(time, began[row]) > now - TICK for row, time in due.items())

    began = dict[int, int]()
    for name, row, value in operations:
        if name == "schedule":
            due[row], began[row] = now + value, now + 1  # a past time counts from now, at the next tick
            wheel.schedule(now, rows(row), times(now + value))
        elif name == "cancel":
            due.pop(row, None)
            wheel.schedule(now, rows(row), times(NEVER))
        else:
            wake(now + value)
        assert len(wheel) == len(due)
    wake(now + 10_000)
    assert due == {}


@given(st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 5000)), max_size=40), st.integers(2, 8))
def test_one_late_drain_returns_all_that_is_due(timers: list[tuple[int, int]], slots: int) -> None:
    wheel = TimerWheel(ROWS, TICK, slots)
    last = dict(timers)
    wheel.schedule(0, rows(*last), times(*last.values()))
    assert wheel.drain(3000).tolist() == sorted(row for row, time in last.items() if time <= 3000)
    assert wheel.drain(6000).tolist() == sorted(row for row, time in last.items() if time > 3000)


@given(st.dictionaries(st.integers(0, ROWS - 1), st.integers(1, 5000), min_size=1), st.integers(0, 10**6))
def test_wakes_exactly_at_the_tick_of_the_earliest_timer(timers: dict[int, int], now: int) -> None:
    wheel = TimerWheel(ROWS, TICK)
    wheel.schedule(now, rows(*timers), times(*(now + delay for delay in timers.values())))
    assert wheel.next_ns() == -(-(now + min(timers.values())) // TICK) * TICK
