"""The lines of truth."""

import io
from pathlib import Path

import msgspec
import pytest

from montra.lab.events import Done, EventLog, Lookup, Sent, decode_event, read_events

LOOKUP = Lookup(t_ns=5, index=3, ip="127.10.4.1", port=6881, key="ab" * 20, noseed=False)
SENT = Sent(t_ns=6, index=3, ip="127.10.9.1", port=6881, key="ab" * 20, method="get_peers")


def test_a_line_reads_as_documented() -> None:
    file = io.StringIO()
    EventLog(file).write(LOOKUP)
    assert file.getvalue() == (
        '{"event":"lookup","t_ns":5,"index":3,"ip":"127.10.4.1","port":6881,"key":"' + "ab" * 20 + '","noseed":false}\n'
    )
    assert decode_event(file.getvalue()) == LOOKUP


def test_reads_back_and_leaves_out_a_line_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "lab.jsonl"
    with path.open("w") as file:
        log = EventLog(file)
        log.write(LOOKUP)
        log.write(SENT)
        file.write('{"event":"done","t_ns":7,"rea')
    assert list(read_events(path)) == [LOOKUP, SENT]


@pytest.mark.parametrize("line", ['{"event":"party","t_ns":1}\n', '{"event":"done","t_ns":"x"}\n', "\n", "[]\n"])
def test_refuses_what_is_no_event(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lab.jsonl"
    path.write_text(line)
    with pytest.raises(msgspec.MsgspecError):
        list(read_events(path))


def test_the_end_tells_why() -> None:
    done = Done(t_ns=1, reason="closed", lookups=2, announces=1, skipped=0, live=128, cpu_s=1.5, peak_rss_bytes=4096)
    assert msgspec.json.decode(msgspec.json.encode(done))["event"] == "done"
