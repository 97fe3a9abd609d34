"""`montra bench wire`: every system reads what was written, and the figures are all there."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bench.wire.process import BATCH_ROWS, SYSTEMS, batches
from montra.cli.main import main


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_reads_the_keys(system: str) -> None:
    read = SYSTEMS[system]()
    made = list(batches(BATCH_ROWS + 10))
    assert [len(batch.keys) // 16 for batch in made] == [BATCH_ROWS, 10]
    assert all(read(batch) == batch.keys for batch in made)


def test_the_verb() -> None:
    done = CliRunner().invoke(main, ["bench", "wire", "--rounds", "1", "--datagrams", "1000", "--sizes", "", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found["figures"]) == {"montra", "clear", "cipher"}
    assert 0 < found["figures"]["montra"]["the cipher's share of montra's time"]["median"] < 2
    assert found["problems"] == []
