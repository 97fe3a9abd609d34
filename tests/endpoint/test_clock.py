from __future__ import annotations

import time

from montra.endpoint.clock import AnchoredClock


class Times:
    def __init__(self) -> None:
        self.wall = 1_700_000_000_000_000_000
        self.monotonic = 5_000

    def pass_(self, ns: int) -> None:
        self.wall += ns
        self.monotonic += ns


def clock_of(times: Times) -> AnchoredClock:
    return AnchoredClock(lambda: times.wall, lambda: times.monotonic)


def test_starts_at_the_wall_clock_and_counts_evenly() -> None:
    times = Times()
    clock = clock_of(times)
    assert clock.now_ns() == 1_700_000_000_000_000_000
    times.pass_(1234)
    assert clock.now_ns() == 1_700_000_000_000_001_234
    assert clock.offset_ns() == 0


def test_a_step_moves_the_offset_not_the_time() -> None:
    times = Times()
    clock = clock_of(times)
    times.pass_(1_000)
    times.wall -= 3_600_000_000_000
    assert clock.now_ns() == 1_700_000_000_000_001_000
    assert clock.offset_ns() == -3_600_000_000_000


def test_anchors_at_the_tightest_reading() -> None:
    readings = iter(
        [0, 1_000_000, 2_000_000, 2_000_010, 3_000_000, 3_500_000, 4_000_000, 4_900_000, 5_000_000, 6_000_000]
    )
    wall = iter([10_000_000_000 + at for at in (900_000, 2_000_005, 3_400_000, 4_800_000, 5_900_000)])
    clock = AnchoredClock(lambda: next(wall), lambda: next(readings, 7_000_000))
    assert clock.now_ns() == 10_007_000_000


def test_real_clocks_agree() -> None:
    clock = AnchoredClock()
    assert abs(clock.now_ns() - time.time_ns()) < 50_000_000
    assert abs(clock.offset_ns()) < 50_000_000
    before = clock.now_ns()
    assert clock.now_ns() >= before


def test_another_process_tells_the_same_time_whatever_the_wall_clock_did_meanwhile() -> None:
    clock = AnchoredClock()
    other = AnchoredClock.of(clock.epoch_ns - 5_000_000_000)
    before = clock.now_ns()
    between = other.now_ns() + 5_000_000_000
    assert before <= between <= clock.now_ns()
    assert abs(other.offset_ns() - 5_000_000_000) < 50_000_000
