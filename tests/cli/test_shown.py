"""--wordlist and --names: what a run was told of files is in no output, unless somebody asks for it."""

from __future__ import annotations

import io
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from montra.cli.analyze import analyze
from montra.cli.report import report
from zone_store.captures import Attachment, Captures, Kind
from zone_store.contents import Content, What
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.writer import RunWriter

START_NS = 1_795_273_200_000_000_000
#: MD4 of "abc" (RFC 1320, A.5), a keyword under which a file is published.
WORD = bytes.fromhex("a448017aaf21d8525fc10ae87aa6729d")
FILE = b"\xa4\x77" * 8
SECRETS = [b"holiday in rome.avi", b"Uncle Bob", b"203.0.113.9", str(0xCB007109).encode()]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of Kad in which a keyword was published, a file searched, and both were told of."""
    folder = create_run(tmp_path, START_NS, "kad", Zone.parse("a4/6", 128))
    manifest = Manifest(montra_version="1", overlay="kad", zone="a4/6", id_bits=128, start_ns=START_NS)
    target = b"\xa4" + bytes(15)
    keys = np.frombuffer(WORD + FILE, np.uint8).reshape(2, 16)
    with RunWriter(folder, manifest, "") as writer:
        writer.attachment(
            Attachment(1, target, 1, 1, target[:-1] + b"\1", 2, 2, START_NS, START_NS, START_NS, ((START_NS, 0),))
        )
        writer.captures(
            Captures(
                START_NS + np.array([10**9, 2 * 10**9]),
                np.array([1, 1], np.uint32),
                np.array([0xCB007109] * 2, np.uint32),
                np.array([4672] * 2, np.uint16),
                np.zeros((2, 16), np.uint8),
                keys,
                np.array([Kind.PUBLISH, Kind.SEARCH], np.uint8),
                np.zeros(2, np.uint16),
                np.zeros(2, np.uint32),
                np.zeros(2, np.uint16),
            )
        )
        tags = (("artist", "Uncle Bob"),)
        said = START_NS + 3 * 10**9, 1, 0xCB007109, 4672
        writer.content(Content(*said, What.KEYWORD, WORD, FILE, 700, "holiday in rome.avi", tags))
        writer.seal(START_NS + 60 * 10**9, "complete")
    return folder


def written(run: Path) -> dict[str, bytes]:
    """Return all files that the verbs wrote."""
    paths = [path for path in (run / "analysis").rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in (*paths, run / "report.html")}


def known(files: dict[str, bytes]) -> dict[str, tuple[str, int, str, str]]:
    """Return sort, size, word and name of each content ID."""
    rows = pq.read_table(io.BytesIO(files["contents.parquet"])).to_pylist()
    return {row["key"]: (row["sort"], row["size"], row["word"], row["name"]) for row in rows}


def does(run: Path, *options: str, verbs: tuple[click.Command, ...] = (report,)) -> dict[str, bytes]:
    """Return all files after these verbs; `report` writes what `analyze` writes, too."""
    for verb in verbs:
        done = CliRunner().invoke(verb, [str(run), "--workers", "1", "--k", "1", *options])
        assert done.exit_code == 0, done.output
        assert not [secret for secret in SECRETS if secret in done.output.encode()]
    return written(run)


def test_names_tags_and_addresses_are_in_no_output(run: Path) -> None:
    files = does(run, verbs=(analyze, report))
    assert not [(name, secret) for name, data in files.items() for secret in SECRETS if secret in data]
    assert known(files) == {WORD.hex(): ("keyword", 0, "", ""), FILE.hex(): ("file", 700, "", "")}
    assert b"100.0\xc2\xa0%" in files["report.html"] or b"100.0 %" in files["report.html"]


def test_they_are_shown_on_request_and_gone_with_the_next_analysis(run: Path) -> None:
    files = does(run, "--names")
    assert known(files)[FILE.hex()] == ("file", 700, "", "holiday in rome.avi")
    assert b"holiday in rome.avi" in files["report.html"]
    assert "said.parquet" in files
    files = does(run)
    assert not [(name, secret) for name, data in files.items() for secret in SECRETS if secret in data]
    assert known(files)[FILE.hex()] == ("file", 700, "", "")
    assert "said.parquet" not in files


def test_words_of_a_list_are_read(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("nothing\nABC\n")
    files = does(run, "--wordlist", str(path))
    assert known(files)[WORD.hex()] == ("keyword", 0, "abc", "")
    assert b"abc" in files["report.html"]
    assert known(does(run))[WORD.hex()] == ("keyword", 0, "", "")
