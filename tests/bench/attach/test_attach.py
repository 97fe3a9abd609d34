"""The attach benchmark accounts for every packet, and its targets tell a wrong monitor from theirs. No speeds here."""

from __future__ import annotations

import copy
import json
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.attach import command, place
from bench.attach.accounting import check, figures
from bench.attach.runs import Load
from montra.datagrams import ip_number

ROOT = Path(__file__).resolve().parents[3]
LOAD = Load(10, 100.0, 5.0, 2.0, 20.0, 30.0)
GOT: dict[str, Any] = {
    "monitors": {
        "grown": 10_000,
        "rss": 50 << 20,
        "peak": 60 << 20,
        "attach_s": 2.0,
        "attach_cpu_s": 0.5,
        "attach_waited_s": 0.1,
        "steady_s": 5.0,
        "steady_cpu_s": 1.0,
        "steady_waited_s": 0.5,
        "fleet": {"introductions": 20, "keep_alives": 25},
        "endpoint": {},
        "states": {"visible": 10},
        "captures": 160,
        "attachments": 10,
        "losses": {"monitor_stranger_other": 50},
        "late_p50_s": 0.05,
        "late_p99_s": 0.1,
        "late_p999_s": 0.1,
        "late_max_s": 0.1,
    },
    "targets": {
        **dict.fromkeys(("refused", "malformed", "unknown_target", "wrong_id", "wrong_source", "shared_pair"), 0),
        **dict.fromkeys(("outside_plan", "answer_wrong_id", "answer_wrong_source", "answer_unasked"), 0),
        **dict.fromkeys(("strange_answers", "failed", "dropped", "overdue", "intervals_over"), 0),
        "introduced": 10,
        "find_node": 20,
        "ping": 25,
        "asked": 100,
        "answered": 99,
        "lookups_asked": 60,
        "strange": 150,
        "strange_lookups": 100,
        "interval_p999_s": 2.1,
        "interval_max_s": 2.2,
        "answer_p50_ms": 4,
        "answer_p999_ms": 9,
        "rss": 1 << 20,
    },
}


def changed(side: str, **change: Any) -> dict[str, Any]:
    got = copy.deepcopy(GOT)
    got[side].update(change)
    return got


def test_a_run_that_adds_up() -> None:
    assert check("montra", LOAD, GOT) == []
    found = figures(LOAD, GOT)
    assert found["memory for each monitor (bytes)"] == 1000.0
    assert found["attached a second"] == 5.0
    assert found["CPU share while holding (%)"] == 20.0
    assert found["CPU for each monitor and second (us)"] == 20_000.0
    assert found["own target's queries answered (%)"] == 99.0


@pytest.mark.parametrize(
    ("got", "problem"),
    [
        (changed("targets", shared_pair=1), "1 x shared_pair"),
        (changed("targets", strange_answers=2), "2 x strange_answers"),
        (changed("targets", introduced=9), "9 of 10 targets were introduced to"),
        (changed("targets", ping=24), "keep_alives: 25 and 24, 0 dropped"),
        (changed("targets", ping=26), "keep_alives: 25 and 26, 0 dropped"),
        (changed("monitors", captures=159), "lookups stored: 160 and 159, 0 dropped"),
        (changed("monitors", attachments=11), "attachments: 10 and 11, 0 dropped"),
        (changed("monitors", losses={"monitor_stranger_other": 50, "x": 3}), "on the ledger: 3 x x"),
        (changed("monitors", losses={}), "a stranger's pings: 50 and 0, 0 dropped"),
        (changed("monitors", states={"visible": 8, "hidden": 2}), "monitors at the end: {'visible': 8, 'hidden': 2}"),
    ],
)
def test_what_does_not_add_up_is_a_problem(got: dict[str, Any], problem: str) -> None:
    assert check("montra", LOAD, got) == [f"montra, 10 monitors: {problem}"]


def test_drops_of_the_kernel_explain_what_is_missing() -> None:
    got = changed("targets", ping=24, dropped=1)
    got["monitors"].update(captures=158, endpoint={"kernel_drops": 2})
    assert check("montra", LOAD, got) == []


def test_places_are_apart() -> None:
    assert place.target(0) == (ip_number("127.168.0.0"), 23900)
    assert place.target(place.MOST - 1) == (ip_number("127.171.255.255"), 23903)
    assert [place.monitor_ports(n) for n in (1, 16_384, 16_385, 1_000_000)] == [1, 1, 2, 62]


def test_ids_are_in_the_zone_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        place.write_ids(tmp_path / name, 1000)
    ids = place.read_ids(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert place.ZONE.contains_many(ids).all()
    assert len({row.tobytes() for row in ids}) == 1000


def free() -> bool:
    """Tell whether nobody else runs this benchmark."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind(("", place.TARGET_PORT))
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    """Return a small run of the whole benchmark, with all its parts."""
    if shutil.which("cc") is None or not free():
        pytest.skip("needs a C compiler and the benchmark's ports")
    patch = pytest.MonkeyPatch()
    for name in ("SIDE_S", "CURVE_S"):
        patch.setattr(command, name, 1.0)
    sizes = ("--monitors=300", "--plain=100", "--rounds=1", "--sizes=50,100")
    options = (*sizes, "--duration=4s", "--keep-alive=1", "--asks=50", "--strange=50")
    done = CliRunner().invoke(command.command, [*options, "--json"])
    patch.undo()
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_whole_run(outcome: dict[str, Any]) -> None:
    assert outcome["problems"] == []
    (one,) = outcome["rounds"]
    assert set(one) == {"montra", "plain"}
    assert [curve["sizes"] for curve in outcome["curves"]] == [[50.0, 100.0]] * 2
    held = {name: value["median"] for name, value in outcome["figures"]["montra, 300"].items()}
    assert held["keep-alives sent"] >= 600
    assert held["own target's queries answered (%)"] == 100
    assert held["strangers answered"] == 0
    assert held["targets that waited too long"] == 0
    assert [goal["met"] for goal in outcome["goals"][:2]] == [True, True]
    plain = one["plain"]["raw"]
    assert plain["targets"]["answered"] == plain["targets"]["asked"] > 0
    assert plain["targets"]["introduced"] == 100


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_targets_notice_what_is_wrong(tmp_path: Path) -> None:
    """Two monitors at one address, one under another ID, one from elsewhere, one outside the plan, and junk."""
    if not free():
        pytest.skip("needs the benchmark's ports")
    place.write_ids(tmp_path / "ids", 4)
    ids = place.read_ids(tmp_path / "ids")
    subprocess.run(["cc", "-o", tmp_path / "targets", ROOT / "bench/attach/targets.c"], check=True)
    where = (place.TARGETS, place.TARGET_PORT, 4, place.MONITORS, place.MONITOR_PORT, 1, place.CRAWLER, place.STRANGER)
    arguments = [str(value) for value in (tmp_path / "targets", tmp_path / "ids", 4, *where, 0, 0, 1000, -1)]
    with ExitStack() as stack:
        targets = stack.enter_context(
            subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(targets.kill)
        assert targets.stdin is not None
        assert targets.stdout is not None
        assert targets.stdout.readline() == "ready\n"
        first, second, foreign = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)
        )
        first.bind(("127.164.0.1", place.MONITOR_PORT))
        second.bind(("127.164.0.2", place.MONITOR_PORT))
        foreign.bind(("127.163.0.1", place.MONITOR_PORT))

        def tell(sender: socket.socket, number: int, own: bytes) -> None:
            query = b"d1:ad2:id20:%b6:target20:%be1:q9:find_node1:t4:abcd1:y1:qe" % (own, own)
            sender.sendto(query, ("127.168.0.0", place.TARGET_PORT + number))

        def ask(sender: socket.socket, number: int, own: bytes) -> bytes:
            tell(sender, number, own)
            sender.settimeout(5)
            return sender.recv(2048)

        beside = [row[:-1] + bytes((row[-1] ^ 1,)) for row in (row.tobytes() for row in ids)]
        assert beside[0] not in ask(first, 0, beside[0])
        contact = beside[0] + socket.inet_aton("127.164.0.1") + place.MONITOR_PORT.to_bytes(2, "big")
        assert contact in ask(first, 0, beside[0])  # the second time it is handed out
        ask(second, 0, beside[0])  # from elsewhere
        ask(first, 1, beside[1])  # an address that another target's monitor has
        tell(second, 2, beside[3])  # under another ID
        ask(foreign, 3, beside[3])  # outside the plan
        first.sendto(b"d1:y1:qe", ("127.168.0.0", place.TARGET_PORT))
        first.sendto(b"junk", ("127.168.0.0", place.TARGET_PORT))
        ask(second, 2, beside[2])  # all before has been read by now
        targets.stdin.close()
        found = json.loads(targets.stdout.read())
    wrong = ("wrong_source", "shared_pair", "wrong_id", "outside_plan", "malformed", "refused")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 1)
    assert (found["received"], found["find_node"], found["sent"], found["introduced"]) == (9, 7, 6, 1)


def test_a_bad_duration_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "montra.cli.main", "bench", "attach", "--duration", "soon"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "'soon' is no duration" in done.stderr
