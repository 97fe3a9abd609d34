"""The instruments' log, and where they stand."""

from pathlib import Path

import pytest

from montra.lab.instrument_log import (
    Heard,
    Instrument,
    InstrumentLog,
    InstrumentSettings,
    load_log,
    numbered,
    on_loopback,
    write_log,
)
from montra.lab.settings import LabError
from zone_store.run.canaries import CanaryLookup


def test_what_was_written_is_read(tmp_path: Path) -> None:
    log = InstrumentLog(
        settings=InstrumentSettings(zone="a4/6", bootstrap=[("127.10.1.1", 6881)], sources=[], destinations=[]),
        libtorrent="2.1.1.0",
        begin_ns=5,
        end_ns=9,
        nodes=[Instrument(role="source", node_id="10" * 20, ip="127.96.0.1", port=6881, up_ns=1)],
        lookups=[
            CanaryLookup(
                t_ns=6,
                end_ns=7,
                requester="10" * 20,
                ip=1,
                port=2,
                key="a4" * 20,
                asked=[(3, 4, 6)],
                answered=[("a5" * 20, 3, 4, 7)],
            )
        ],
        heard=[Heard(t_ns=8, node=0, ip=1, port=2, requester="11" * 20, key="a4" * 20, bootstrap=True)],
    )
    write_log(tmp_path / "new", log)
    assert load_log(tmp_path / "new") == log


def test_no_log_and_a_damaged_one_are_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cannot read .*instruments.json: No such file or directory$"):
        load_log(tmp_path)
    (tmp_path / "instruments.json").write_text("{")
    with pytest.raises(LabError, match=r"instruments.json: Input data was truncated"):
        load_log(tmp_path)


def test_addresses_of_a_private_network_are_told_from_public_ones() -> None:
    assert numbered("127.96", 3, 6881) == [("127.96.0.1", 6881), ("127.96.1.1", 6881), ("127.96.2.1", 6881)]
    assert on_loopback([("127.10.1.1", 6881), ("10.0.0.1", 6881)])
    assert not on_loopback([("127.10.1.1", 6881), ("8.8.8.8", 6881)])


def test_a_place_that_bep_42_allows_or_none() -> None:
    pytest.importorskip("libtorrent")
    import random

    from montra.lab.instruments import place
    from zone_store.keyspace.zone import Zone

    made = place(("127.97.0.1", 6881), Zone.parse("a4/6"), random.Random(1))
    assert Zone.parse("a4/6").contains(made.node_id)
    with pytest.raises(LabError, match=r"no node ID that BEP 42 allows at 8\.8\.8\.8 lies in zone a4a4a4/24"):
        place(("8.8.8.8", 6881), Zone.parse("a4a4a4/24"), random.Random(1))
