from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from montra.datagrams import ip_number
from montra.endpoint.blocklist import Blocklist, BlocklistError

TEXT = """\
# opted out 2026-11-01
192.0.2.7
198.51.100.0/24   # a whole network

203.0.113.9/30
192.0.2.7-9
2001:db8::/32
"""


def test_parse_and_check() -> None:
    blocklist = Blocklist.parse(TEXT)
    assert len(blocklist) == 3 + 256 + 4
    assert blocklist.ignored_ipv6 == 1
    names = ["192.0.2.6", "192.0.2.7", "192.0.2.9", "198.51.100.255", "198.51.101.0", "203.0.113.8", "203.0.113.12"]
    expected = [False, True, True, True, False, True, False]
    ips = [ip_number(name) for name in names]
    assert [ip in blocklist for ip in ips] == expected
    assert blocklist.contains_many(np.array(ips, np.uint32)).tolist() == expected


def test_empty_blocks_nothing() -> None:
    assert len(Blocklist()) == 0
    assert ip_number("192.0.2.7") not in Blocklist()
    assert Blocklist.parse("\n# nothing\n").contains_many(np.array([1, 2], np.uint32)).tolist() == [False, False]


@pytest.mark.parametrize("line", ["192.0.2", "192.0.2.0/40", "example.org", "192.0.2.1 192.0.2.2", "1:2"])
def test_bad_line_is_named(line: str) -> None:
    with pytest.raises(BlocklistError) as caught:
        Blocklist.parse(f"192.0.2.1\n\n{line}\n", "optout.txt")
    assert str(caught.value).startswith(f"optout.txt, line 3: '{line}' is no ")
    assert "\n" not in str(caught.value)


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(TEXT)
    assert ip_number("198.51.100.1") in Blocklist.load(path)
    path.write_text("bad\n")
    with pytest.raises(BlocklistError, match=r"list\.txt, line 1"):
        Blocklist.load(path)
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(BlocklistError, match="cannot read"):
        Blocklist.load(path)
    with pytest.raises(BlocklistError, match="cannot read"):
        Blocklist.load(tmp_path / "absent")
