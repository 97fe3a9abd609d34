from crawler.pace import Pace, Spacing

MS = 1_000_000


def test_pace_lets_a_burst_go_and_then_one_packet_an_interval() -> None:
    pace = Pace(1000.0)
    sent = 0
    while pace.allows(1_000 * MS):
        pace.spend(1_000 * MS)
        sent += 1
    assert sent == 20  # 20 ms worth
    assert not pace.allows(1_001 * MS - 1)
    assert pace.allows(1_001 * MS)


def test_pace_over_a_second_keeps_the_rate() -> None:
    pace, now, sent = Pace(250.0), 0, 0
    while now < 1_000 * MS:
        while pace.allows(now):
            pace.spend(now)
            sent += 1
        assert pace.due(now) > now
        now = pace.due(now)
    assert 250 <= sent <= 255


def test_pace_is_due_when_a_whole_burst_may_leave() -> None:
    pace = Pace(1000.0)
    while pace.allows(0):
        pace.spend(0)
    assert pace.due(0) == 20 * MS


def test_a_slow_pace_never_bursts() -> None:
    pace = Pace(2.0)
    pace.spend(0)
    assert not pace.allows(499 * MS)
    assert pace.due(0) == 500 * MS
    assert pace.allows(500 * MS)


def test_spacing_binds_each_address_for_itself() -> None:
    spacing = Spacing(1_000 * MS)
    spacing.spend(5, (1, 1))
    assert spacing.ready_ns((1, 1)) == 1_000 * MS + 5
    assert spacing.ready_ns((1, 2)) == 0


def test_spacing_forgets_what_no_longer_binds() -> None:
    spacing = Spacing(1_000 * MS)
    for number in range(100):
        spacing.spend(number, (number, 1))
    spacing.spend(500 * MS, (7, 1))  # sent again: it must outlive the others
    spacing.spend(1_200 * MS, (200, 1))
    assert len(spacing) == 2
    assert spacing.ready_ns((7, 1)) == 1_500 * MS
