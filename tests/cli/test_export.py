"""`montra export`: a data set from a run folder, under a key that can be destroyed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from analysis.privacy.key import KEY
from montra.cli.export import export
from zone_store.captures import Attachment, Captures, Kind
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000
SOURCES = [0x0A000001 + i % 6 for i in range(12)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of Kad in which six addresses asked for one key, two times each, and one of them for another key."""
    folder = create_run(tmp_path, START_NS, "kad", Zone.parse("a4/6", 128))
    manifest = Manifest(montra_version="1", overlay="kad", zone="a4/6", id_bits=128, start_ns=START_NS)
    target = b"\xa4" + bytes(15)
    n = len(SOURCES) + 1
    keys = np.zeros((n, 16), np.uint8)
    keys[:, :2], keys[-1, 1] = (0xA4, 0x11), 0x77
    kinds = [Kind.SEARCH, Kind.PUBLISH] * 6 + [Kind.SEARCH]
    with RunWriter(folder, manifest, "") as writer:
        writer.attachment(
            Attachment(1, target, 1, 1, target[:-1] + b"\1", 2, 2, START_NS, START_NS, START_NS, ((START_NS, 0),))
        )
        writer.captures(
            Captures(
                START_NS + np.arange(1, n + 1) * 120 * 10**9,
                np.ones(n, np.uint32),
                np.array([*SOURCES, SOURCES[0]], np.uint32),
                np.full(n, 4672, np.uint16),
                np.zeros((n, 16), np.uint8),
                keys,
                np.array(kinds, np.uint8),
                np.zeros(n, np.uint16),
                np.zeros(n, np.uint32),
                np.zeros(n, np.uint16),
            )
        )
        writer.seal(START_NS + 3600 * 10**9, "complete")
    return folder


def does(run: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(export, [str(run), "-o", str(out), "--workers", "1", *options])


def requesters(out: Path) -> list[int]:
    return pd.read_parquet(out / "lookups")["requester"].tolist()


def test_a_run_is_exported_and_its_key_destroyed(run: Path, tmp_path: Path) -> None:
    writer = MMDBWriter(4, "Test", languages=["en"])
    writer.insert_network(IPSet(["10.0.0.0/29"]), {"country": {"iso_code": "DE"}, "autonomous_system_number": 64500})
    writer.to_db_file(str(tmp_path / "geo.mmdb"))
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))

    done = does(run, first, "--json", "--geo", str(tmp_path / "geo.mmdb"))
    assert done.exit_code == 0, done.output
    place = "overlay=kad/zone=a4-6/window=20261121T150000Z"
    assert json.loads(done.stdout) == {"folder": str(first), "lookups": {place: 13}, "keys": {place: 1}}
    lookups = pd.read_parquet(first / "lookups")
    assert lookups["key"].isna().sum() == 1  # one address alone asked for it
    assert set(zip(lookups["country"], lookups["as_number"], strict=True)) == {("DE", 64500)}
    places = pd.read_parquet(first / "tables" / "places")
    assert places[["country", "as_number", "addresses", "requests"]].to_numpy().tolist() == [["DE", 64500, 6, 13]]

    done = does(run, second, "--destroy-key")
    assert done.exit_code == 0
    assert f"{second}: 13 lookups of 1 run; start with {second / 'README.md'}" in done.stdout
    assert done.stderr == f"destroyed {run / KEY}\n"
    assert not (run / KEY).exists()
    assert requesters(second) == requesters(first)  # as long as the key lived
    assert set(pd.read_parquet(second / "lookups")["country"]) == {""}

    assert does(run, third).exit_code == 0
    assert not set(requesters(third)) & set(requesters(first))
    assert (run / KEY).is_file()


def test_a_folder_that_is_there_is_left_alone(run: Path, tmp_path: Path) -> None:
    done = does(run, tmp_path)
    assert done.exit_code == 1
    assert "is there already; choose a new folder" in done.stderr
    assert not (run / KEY).exists()
