"""Tables as files: known cells, the same bytes each time, no address and no ID of a node in any of them."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.analyze import analyze
from analysis.dictionary import DICTIONARY, DICTIONARY_TEXT
from analysis.given import Given
from analysis.page.report import report
from analysis.table import Column, Table
from analysis.tables import SUMMARY, csv_bytes, parquet_bytes, write_all
from zone_store.attribution import RULE
from zone_store.captures import Kind
from zone_store.run.folder import RunError, file_digest

from .samples import ALICE, BOB, GIVEN, KEY_A, KEY_B, Contents, attachment, make_run, sample

EVERYBODY = replace(GIVEN, least_people=1)
"""The sample has three requesters: nothing of it would be shown otherwise."""


def table(*columns: tuple[str, list[str] | np.ndarray]) -> Table:
    """A table of these columns."""
    made = tuple(Column(name, values, "s" if name == "n" else "", f"the {name}") for name, values in columns)
    return Table("name", "Title", "A row.", "some.function", ("lookups", "crawls"), made)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_csv_cells() -> None:
    text = ["=1+1", "@x", "-", 'a,"b"', ""]
    keys = np.array([[0xA4, n] for n in range(5)], np.uint8)
    found = csv_bytes(table(("text", text), ("n", np.array([1.5, np.nan, 2.0, 1e-9, 0.0])), ("key", keys)))
    assert found.decode().splitlines() == [
        "text,n,key",
        "'=1+1,1.5,a400",
        "'@x,,a401",
        "'-,2.0,a402",
        '"a,""b""",1e-09,a403',
        ",0.0,a404",
    ]


def test_parquet_says_what_it_holds() -> None:
    data = parquet_bytes(table(("s", []), ("n", np.empty(0, np.int64)), ("k", np.empty((0, 20), np.uint8))))
    schema = pq.read_schema(io.BytesIO(data))
    assert [str(field.type) for field in schema] == ["string", "int64", "fixed_size_binary[20]"]
    assert schema.field("n").metadata == {b"meaning": b"the n", b"unit": b"s"}
    assert schema.field("s").metadata == {b"meaning": b"the s"}
    about = {name: value for name, value in schema.metadata.items() if name != b"ARROW:schema"}
    assert about == {
        b"title": b"Title",
        b"meaning": b"A row.",
        b"function": b"some.function",
        b"inputs": b"lookups crawls",
    }
    whole = pq.read_table(io.BytesIO(parquet_bytes(table(("k", np.frombuffer(KEY_A, np.uint8).reshape(1, 20))))))
    assert whole.to_pydict() == {"k": [KEY_A]}


def test_the_sample_in_files(sample_run: Path) -> None:
    analyze(sample_run, given=EVERYBODY)
    out = sample_run / "analysis"
    top = rows(out / "top_keys.csv")
    assert [row["key"] for row in top] == [KEY_A.hex(), KEY_B.hex()]
    assert (top[0]["lookups"], top[0]["requesters"]) == ("4", "3")
    assert [row["completeness"] for row in rows(out / "crawls.csv")] == ["0.0", "0.8", "1.0"]
    assert [row["name"] for row in rows(out / "losses.csv")] == [
        "not_running",
        "kernel_drops",
        "crawl_timeout",
        "<script>name",
    ]
    assert sum(int(row["lookups"]) for row in rows(out / "rates.csv")) == 5
    keys = pq.read_table(out / "keys.parquet").to_pydict()
    assert keys["key"] == [KEY_A, KEY_B]  # KEY_C was asked for by find_node only
    assert (keys["lookups"], keys["requesters"], keys["sort"]) == ([4, 1], [3, 1], ["info_hash"] * 2)
    assert pq.read_table(out / "lookups").num_rows == 8


def test_rows_about_few_are_left_out(sample_run: Path) -> None:
    analyze(sample_run, given=replace(GIVEN, least_people=3))
    assert [row["key"] for row in rows(sample_run / "analysis" / "top_keys.csv")] == [KEY_A.hex()]
    analyze(sample_run, given=GIVEN)
    assert rows(sample_run / "analysis" / "top_keys.csv") == []


def test_the_summary_holds_every_number_with_its_provenance(sample_run: Path) -> None:
    analysis = analyze(sample_run, given=replace(GIVEN, analysed_by="7.8.9"))
    summary = json.loads((sample_run / "analysis" / SUMMARY).read_text())
    assert summary == json.loads(json.dumps(analysis.as_dict()))
    assert set(summary["quantities"]) == set(analysis.quantities())
    lookups = summary["quantities"]["traffic.lookups"]
    assert (lookups["value"], lookups["inputs"]) == (5, ["lookups"])
    assert lookups["function"].startswith("analysis.traffic.")
    assert (summary["run"]["sealed"], summary["run"]["exit"], summary["run"]["captures"]) == (True, "done", 11)
    assert summary["run"]["manifest_sha256"] == file_digest(sample_run / "manifest.json")
    assert (summary["run"]["montra_version"], summary["analysed_by"]) == ("0.1.0", "7.8.9")
    assert summary["attribution"] == {"rule": RULE, "span_ns": 60 * 10**9, "refresh_bits": 96}


def test_the_dictionary_tells_of_every_file_and_column(sample_run: Path) -> None:
    analyze(sample_run, given=EVERYBODY)
    out = sample_run / "analysis"
    told = json.loads((out / DICTIONARY).read_text())
    files = {str(path.relative_to(out)) for path in out.rglob("*.*") if path.suffix in (".csv", ".parquet")}
    files.remove("lookups/part-00000.parquet")  # told by a pattern
    assert {file for one in told["tables"] for file in one["files"]} == files | {"lookups/part-*.parquet"}
    for one in told["tables"]:
        pattern = one["files"][-1]
        assert len(list(out.glob(pattern))) == 1, pattern
        (path,) = out.glob(pattern)
        assert [column["name"] for column in one["columns"]] == pq.read_schema(path).names
        assert all(column["meaning"] for column in one["columns"]), one["name"]
        assert one["title"]
        assert one["meaning"]
        assert one["inputs"]
    assert [one["name"] for one in told["quantities"]] == list(json.loads((out / SUMMARY).read_text())["quantities"])
    text = (out / DICTIONARY_TEXT).read_text()
    assert f"# Data dictionary of {sample_run.name}" in text
    assert all(f"\n## {one['name']}\n" in text for one in told["tables"])


def test_an_empty_run_has_all_tables_and_no_number_that_is_none(empty_run: Path) -> None:
    analyze(empty_run)
    text = (empty_run / "analysis" / SUMMARY).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["quantities"]["traffic.lookups"]["value"] == 0
    assert rows(empty_run / "analysis" / "top_keys.csv") == []


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = make_run(tmp_path / name / "20261121T150000Z_mainline_a4-6", sample())
        analyze(folder, given=replace(GIVEN, pseudonym_key=tmp_path / "key"))
        found.append(files_of(folder / "analysis"))
    assert found[0] == found[1]


def test_no_file_holds_an_address(sample_run: Path) -> None:
    analyze(sample_run, given=EVERYBODY)
    addresses = ["10.0.0.1", "10.0.0.3", "127.0.0.", str(0x0A000001), str(0x0A000003), str(0x7F000001)]
    for path in (sample_run / "analysis").rglob("*"):
        if path.suffix == ".parquet":
            names = set(pq.read_schema(path).names) - {"requester_ip"}  # a pseudonym
            assert not {name for name in names if name.rpartition("_")[2] in ("ip", "address", "port")}
        elif path.is_file():
            assert not [address for address in addresses if address in path.read_text()], path.name
    ips = pq.read_table(sample_run / "analysis" / "lookups")["requester_ip"].to_pylist()
    assert len(set(ips)) == 2
    assert not set(ips) & {0x0A000001, 0x0A000003}


def test_no_file_and_no_page_holds_a_monitored_nodes_id(tmp_path: Path) -> None:
    target = bytes.fromhex("a4c0ffee00112233445566778899aabbccddeeff")
    one = attachment(1, target)
    one.monitor_id = bytes.fromhex("a4c0ffee00112233445566778899aabbccddeefe")
    stranger = bytes.fromhex("a4beefee00112233445566778899aabbccddeeff")
    look, node, announce = int(Kind.LOOKUP), int(Kind.NODE_LOOKUP), int(Kind.ANNOUNCE)
    asked = [(one.monitor_id, node), (target, look), (target, announce), (target[:19] + b"\x00", look)]
    captures = [(60 + i, 1, ALICE, key, kind, 0, 0) for i, (key, kind) in enumerate([*asked, (stranger, node)])]
    contents = Contents(captures=[*captures, (90, 1, BOB, KEY_A, look, 0, 0)], attachments=[one])
    run = make_run(tmp_path / "run", contents)
    page = report([run], given=lambda _: EVERYBODY)
    keys = pq.read_table(run / "analysis" / "keys.parquet").to_pydict()
    assert (keys["key"], keys["lookups"]) == ([KEY_A], [1])
    told = [key for key in pq.read_table(run / "analysis" / "lookups")["key"].to_pylist() if key is not None]
    assert told == [KEY_A]
    for name, data in (files_of(run / "analysis") | {page.name: page.read_bytes()}).items():
        for secret in (target, one.monitor_id, stranger):
            assert secret not in data, name
            assert secret.hex().encode() not in data, name
            assert secret.hex()[:12].encode() not in data, name
    kinds = {(row["kind"], row["maintenance"]): int(row["rows"]) for row in rows(run / "analysis" / "kinds.csv")}
    assert kinds["lookup", "node_id"] == 2


def test_copies_of_unknown_attachments_are_on_the_ledger_by_name(tmp_path: Path) -> None:
    contents = sample()
    contents.captures.append((420, 99, ALICE, KEY_A, int(Kind.LOOKUP), 0, 0))
    losses = analyze(make_run(tmp_path / "run", contents)).trust.losses
    assert {loss.name: loss.count for loss in losses}["attribution_unknown_attachment"] == 1
    assert "not_attributed" not in {loss.name for loss in losses}


def test_tables_that_are_none_any_more_go(sample_run: Path) -> None:
    out = sample_run / "analysis"
    analyze(sample_run, given=Given())
    told = json.loads((out / DICTIONARY).read_text())
    told["tables"] += [{"name": name, "files": [f"{name}.csv", f"{name}.parquet"]} for name in ("gone", "../config")]
    (out / DICTIONARY).write_text(json.dumps(told))
    for name in ("gone.csv", "gone.parquet", "mine.csv", "../config.csv"):
        (out / name).write_text("")
    analyze(sample_run, given=Given())
    assert not list(out.glob("gone.*"))
    assert (out / "mine.csv").is_file()
    assert (sample_run / "config.csv").is_file()
    (out / DICTIONARY).write_text("[]")
    with pytest.raises(RunError, match=r"dictionary\.json of an earlier analysis cannot be read"):
        analyze(sample_run, given=Given())


def test_tables_go_where_they_are_told(sample_run: Path, tmp_path: Path) -> None:
    analyze(sample_run, tmp_path / "elsewhere" / "deep")
    assert (tmp_path / "elsewhere" / "deep" / SUMMARY).is_file()
    assert not list((tmp_path / "elsewhere" / "deep").glob(".engine-*"))
    assert not (sample_run / "analysis").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        analyze(sample_run, tmp_path / "file" / "out")
    with pytest.raises(RunError, match="cannot write"):
        write_all(tmp_path / "file" / "out", [])


def test_a_run_that_is_not_attributed_yet_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", Contents())
    (folder / "lookups.lmdb" / "data.mdb").unlink()
    (folder / "lookups.lmdb").rmdir()
    with pytest.raises(RunError, match="no lookups yet"):
        analyze(folder)
    with pytest.raises(RunError, match="no run folder"):
        analyze(tmp_path)


def test_numbers_are_told_or_say_why_not(sample_run: Path) -> None:
    for name, one in analyze(sample_run, given=EVERYBODY).quantities().items():
        assert one.told or one.withheld, name
        assert one.meaning, name
        assert not math.isinf(one.value), name
        assert not one.bounded or one.low <= one.value <= one.high, name
        assert not one.bounded or one.method, name
