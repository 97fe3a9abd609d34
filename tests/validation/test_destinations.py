"""What instrumented destinations heard, against a small run, all spelled out."""

from pathlib import Path

from montra.datagrams import ip_number
from montra.lab.instrument_log import Heard, Instrument, InstrumentLog, InstrumentSettings
from montra.validation.destinations import Destinations, judge_destinations
from zone_store.captures import Attachment
from zone_store.run.reader import RunReader

from .worlds import at, attachment, id_of, key_of, node_ip, write_run

CRAWLER = ip_number("127.99.0.1")
#: Node 2 (a5) is the instrumented one, with attachment 2; a4 and a6 are others.
BESIDE = [attachment(1, 1, 0xA4), attachment(2, 2, 0xA5), attachment(3, 3, 0xA6)]


def heard(seconds: float, source: int, key: int, *, requester: bytes = b"\x10" * 20, ip: int = 0) -> Heard:
    return Heard(
        t_ns=at(seconds),
        node=1,
        ip=ip or ip_number(node_ip(source)),
        port=6881,
        requester=requester.hex(),
        key=key_of(key).hex(),
        bootstrap=False,
    )


def log_of(*messages: Heard) -> InstrumentLog:
    source = Instrument(role="source", node_id="10" * 20, ip="127.96.0.1", port=6881, up_ns=at(0))
    destination = Instrument(role="destination", node_id=id_of(0xA5).hex(), ip=node_ip(2), port=6881, up_ns=at(0))
    settings = InstrumentSettings(zone="a4/6", bootstrap=[], sources=[], destinations=[])
    return InstrumentLog(
        settings=settings,
        libtorrent="2.1.1.0",
        begin_ns=at(5),
        end_ns=at(80),
        nodes=[source, destination],
        lookups=[],
        heard=list(messages),
    )


def judged(
    tmp_path: Path, log: InstrumentLog, rows: list[tuple[float, int, int, int]], beside: list[Attachment] = BESIDE
) -> Destinations:
    run = write_run(tmp_path, beside, rows, analyzed=False)
    with RunReader(run) as reader:
        return judge_destinations(reader, log, {CRAWLER})


def test_own_monitor_any_monitor_and_how_near_it_was(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        log_of(
            heard(10, 7, 0xA5),  # nearest, its monitor has it
            heard(11, 8, 0xA5),  # nearest, another monitor has it
            heard(12, 9, 0xA5),  # nearest, and nobody has it
            heard(13, 7, 0xA4),  # a4 is nearer; its own monitor has it
            heard(14, 8, 0xA6),  # a6 and a4 are nearer; nobody has it
        ),
        [
            (10.1, 2, 7, 0xA5),
            (11.1, 1, 8, 0xA5),
            (13.1, 2, 7, 0xA4),
            (75.1, 2, 9, 0xA5),  # too late to be the same lookup
            (12.1, 2, 6, 0xA5),  # somebody else
        ],
    )
    assert (found.nodes, found.attached, found.messages, found.excluded) == (1, 1, 5, {})
    assert [(one.name, one.own.hits, one.own.trials, one.by_any.hits) for one in found.scopes] == [
        ("nearest node to the key", 1, 3, 2),
        ("one of the 8 nearest", 2, 5, 3),
        ("any", 2, 5, 3),
    ]
    assert found.scopes[0].own_by_node.clusters == 1
    assert [(one.what, one.cause, one.count, one.share, one.of_all) for one in found.causes] == [
        ("own_monitor", "never_came_near", 2, 1.0, 2 / 3)
    ]


def test_what_does_not_count_is_left_out_by_name(tmp_path: Path) -> None:
    near = key_of(0xA5)[:4] + b"\x99" * 16  # shares 32 bits with the key, 8 with the node
    found = judged(
        tmp_path,
        log_of(
            heard(4, 7, 0xA5),  # before the lookups
            heard(10, 7, 0xA4, ip=CRAWLER),
            heard(11, 8, 0xA5, requester=near),
            heard(12, 9, 0xA5),
            heard(30, 9, 0xA5),  # the same lookup still
            heard(79, 6, 0xA5),
        ),
        [],
    )
    assert found.excluded == {"before_lookups": 1, "cut_off_by_end": 1, "maintenance": 1, "own_traffic": 1}
    assert found.messages == 1


def test_a_destination_without_a_monitor(tmp_path: Path) -> None:
    found = judged(tmp_path, log_of(heard(10, 7, 0xA5)), [(10.1, 1, 7, 0xA5)], [BESIDE[0]])
    assert (found.attached, found.scopes[0].own.hits, found.scopes[0].by_any.hits) == (0, 0, 1)
    assert [one.cause for one in found.causes] == ["target_not_found"]
    assert judged(tmp_path / "other", log_of(), []).messages == 0
