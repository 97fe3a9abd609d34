from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from montra.monitors.address_index import AddressIndex
from montra.monitors.table import MonitorTable

ROWS = 16
step = st.tuples(st.integers(0, ROWS - 1), st.integers(1, 4), st.sampled_from((6881, 6882)))


@given(st.lists(step, max_size=80), st.integers(0, 2**32 - 8))
def test_agrees_with_a_dictionary(steps: list[tuple[int, int, int]], base: int) -> None:
    """Rows come and go; the table says where their targets are."""
    table = MonitorTable(20, ROWS)
    index = AddressIndex(table.target_ip, table.target_port)
    at: dict[tuple[int, int], int] = {}
    for row, host, port in steps:
        ip = base + host
        if row in at.values():
            index.remove(row)
            at = {address: other for address, other in at.items() if other != row}
        elif (ip, port) not in at:
            table.target_ip[row], table.target_port[row] = ip, port
            index.add(row)
            at[ip, port] = row
        assert len(index) == len(at)
        for near in range(base, base + 6):
            assert index.at_ip(near) == sum(address[0] == near for address in at)
            for number in (6881, 6882):
                assert index.row_of(near, number) == at.get((near, number), -1)


def test_a_table_of_one_row() -> None:
    table = MonitorTable(20, 1)
    index = AddressIndex(table.target_ip, table.target_port)
    table.target_ip[0], table.target_port[0] = 2**32 - 1, 65535
    index.add(0)
    assert (index.row_of(2**32 - 1, 65535), index.row_of(2**32 - 1, 1), index.at_ip(2**32 - 1)) == (0, -1, 1)
    index.remove(0)
    assert (index.row_of(2**32 - 1, 65535), len(index)) == (-1, 0)
