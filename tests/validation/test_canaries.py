"""A run's own canaries as its truth: what it captured of them, and where they really ended."""

from pathlib import Path

import msgspec
import pytest

from analysis.trust.capture import capture_of
from analysis.trust.validation import Validation
from montra.datagrams import ip_number
from montra.validation.canaries import canary_truth
from montra.window.analyze import canaries_of
from zone_store.run.canaries import CanaryLog, CanaryLookup
from zone_store.run.folder import RunError

from .worlds import at, attachment, id_of, key_of, monitor_ip, node_ip, write_run

CANARY = 9
MONITOR_2 = ip_number(monitor_ip(2)), 20000


def canary(seconds: float, key: int, *answered: int, asked: tuple[tuple[int, int], ...] = ()) -> CanaryLookup:
    """Return a canary for key_of(key) that nodes a4 (1), a5 (2), a6 (3) answered."""
    t_ns = at(seconds)
    nodes = [(index, ip_number(node_ip(index)), 6881) for index in answered]
    return CanaryLookup(
        t_ns=t_ns,
        end_ns=t_ns + 5,
        requester=id_of(0x10).hex(),
        ip=ip_number(node_ip(CANARY)),
        port=6881,
        key=key_of(key).hex(),
        asked=[(ip, port, t_ns + 1) for _, ip, port in nodes] + [(*address, t_ns + 1) for address in asked],
        answered=[(id_of(0xA3 + index).hex(), ip, port, t_ns + 2) for index, ip, port in nodes],
    )


def run_with(folder: Path, canaries: list[CanaryLookup], rows: list[tuple[float, int, int, int]]) -> Path:
    beside = [attachment(1, 1, 0xA4), attachment(2, 2, 0xA5), attachment(3, 3, 0xA6)]
    run = write_run(folder, beside, rows)
    with CanaryLog(run) as log:
        for one in canaries:
            log.write(one)
    return run


def test_a_run_without_canaries_has_no_such_truth(tmp_path: Path) -> None:
    run = run_with(tmp_path, [], [])
    assert canary_truth(run) is None
    assert canaries_of(run) is None


def test_keys_of_another_length_than_the_runs_are_damage(tmp_path: Path) -> None:
    other = msgspec.structs.replace(canary(10, 0xA5), requester="10" * 8, key="a5" * 8)
    with pytest.raises(RunError, match=r"canaries.jsonl of .*: a key that has not 20 bytes"):
        canary_truth(run_with(tmp_path, [other], []))


def test_who_answered_is_the_truth(tmp_path: Path) -> None:
    own = canary(10, 0xA5, 1, 2)
    own.answered.append((id_of(0xA5)[:-1].hex() + "10", *MONITOR_2, at(10)))  # its monitor answered, too
    truth = canary_truth(run_with(tmp_path, [own], []))
    assert truth is not None
    (lookup,) = truth.lookups
    assert (lookup.t_ns, lookup.key, lookup.requester.client) == (at(10), key_of(0xA5), "canary")
    assert {truth.nodes[index].node_id for index in lookup.received} == {id_of(0xA4), id_of(0xA5)}
    destination = truth.destination(lookup)
    assert destination is not None
    assert (destination.node_id, destination.ip) == (id_of(0xA5), ip_number(node_ip(2)))


def test_what_the_window_captured_of_its_canaries(tmp_path: Path) -> None:
    run = run_with(
        tmp_path,
        [
            canary(10, 0xA5, 1, 2),  # captured, right
            canary(20, 0xA4, 1, 2),  # captured, and a copy at its monitor
            canary(30, 0xA6, 3, asked=(MONITOR_2,)),  # missed, though it asked a monitor
            canary(40, 0xA7, 3),  # missed: asked no monitor
            canary(50, 0xA4),  # nobody answered
            canary(89, 0xA4, 1),  # as the window ended
        ],
        [(10.1, 1, CANARY, 0xA5), (10.1, 2, CANARY, 0xA5), (20.1, 1, CANARY, 0xA4)],
    )
    found = canaries_of(run)
    assert found is not None
    assert (found.lookups, found.excluded) == (6, {"cut_off_by_end": 1, "reached_nobody": 1})
    assert (found.capture.hits, found.capture.trials, found.observed.hits, found.observed.trials) == (2, 4, 2, 2)
    assert [(one.what, one.cause, one.by_client) for one in found.causes if one.what == "capture"] == [
        ("capture", "lost", {"canary": 1}),
        ("capture", "never_came_near", {"canary": 1}),
    ]
    measured = capture_of(found, Validation())
    assert measured is not None
    rate, low, high = measured.corrected(10.0)
    assert rate == 20.0
    assert low == 10.0 / found.capture.high
    assert high == 10.0 / found.capture.low
    assert 10 < low < 20 < high
