from __future__ import annotations

from mmap import PAGESIZE
from pathlib import Path

import pytest

from montra.monitors.table import MonitorTable, State
from montra.monitors.wheel import NEVER


def test_rows_given_back_are_used_before_new_ones() -> None:
    table = MonitorTable(20, 1000)
    assert table.take(3).tolist() == [0, 1, 2]
    table.failures[1] = 7
    table.number[1] = 42
    table.give_back(1)
    assert table.take(2).tolist() == [1, 3]
    assert (table.failures[1], table.number[1]) == (0, 0)
    assert (table.send_ns[[1, 3]].tolist(), table.probe_ns[[1, 3]].tolist()) == ([NEVER] * 2, [NEVER] * 2)
    assert table.rows == 4


def test_holds_so_many_rows_and_no_more() -> None:
    table = MonitorTable(20, 600)
    for i in range(0, 600, 6):
        rows = table.take(6)
        table.state[rows] = State.ACCEPTED
        table.number[rows] = rows + 1
        assert (table.rows, table.room) == (i + 6, 594 - i)
    assert table.number.tolist() == list(range(1, 601))
    assert table.attached().tolist() == list(range(600))
    assert table.take(0).tolist() == []
    with pytest.raises(IndexError, match="1 rows wanted, 0 left"):
        table.take(1)
    table.give_back(17)
    assert table.room == 1
    assert len(table.attached()) == 599
    with pytest.raises(IndexError, match="2 rows wanted, 1 left"):
        table.take(2)
    assert table.take(1).tolist() == [17]


def test_a_row_that_was_never_used_takes_no_memory() -> None:
    before = resident()
    table = MonitorTable(20, 4_000_000)
    table.take(1000)
    assert table.nbytes == 176
    assert resident() - before < 10_000_000


def resident() -> int:
    """Return the bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGESIZE


def test_the_monitor_is_the_target_with_its_last_bit_flipped() -> None:
    table = MonitorTable(4, 2)
    (row,) = table.take(1).tolist()
    table.target_id[row] = (0xA4, 0, 1, 0xFE)
    assert table.target(row) == b"\xa4\x00\x01\xfe"
    assert table.monitor(row) == b"\xa4\x00\x01\xff"
    table.target_id[row, 3] = 0xFF
    assert table.monitor(row) == b"\xa4\x00\x01\xfe"
