from __future__ import annotations

import pytest

from montra.monitors.table import MonitorTable, State
from montra.monitors.wheel import NEVER


def test_rows_are_reused_before_the_table_grows() -> None:
    table = MonitorTable(20, 1000)
    assert [table.take() for _ in range(3)] == [0, 1, 2]
    table.failures[1] = 7
    table.number[1] = 42
    table.give_back(1)
    assert table.take() == 1
    assert (table.failures[1], table.number[1]) == (0, 0)
    assert (table.send_ns[1], table.probe_ns[1]) == (NEVER, NEVER)
    assert table.rows == 256


def test_grows_by_doubling_up_to_its_bound_and_keeps_its_rows() -> None:
    table = MonitorTable(20, 600)
    sizes = []
    for i in range(600):
        row = table.take()
        table.state[row] = State.ACCEPTED
        table.number[row] = i + 1
        sizes.append(table.rows)
    assert sorted(set(sizes)) == [256, 512, 600]
    assert table.number.tolist() == list(range(1, 601))
    assert len(table.attached()) == 600
    assert table.full
    with pytest.raises(IndexError):
        table.take()
    table.give_back(17)
    assert not table.full
    assert table.idle == 1


def test_the_monitor_is_the_target_with_its_last_bit_flipped() -> None:
    table = MonitorTable(4, 2)
    row = table.take()
    table.target_id[row] = (0xA4, 0, 1, 0xFE)
    assert table.target(row) == b"\xa4\x00\x01\xfe"
    assert table.monitor(row) == b"\xa4\x00\x01\xff"
    table.target_id[row, 3] = 0xFF
    assert table.monitor(row) == b"\xa4\x00\x01\xfe"
