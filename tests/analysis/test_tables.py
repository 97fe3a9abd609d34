"""Tables as files: known cells, the same bytes each time, no address in any of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.analyze import analyze
from analysis.given import Given
from analysis.page.report import report
from analysis.tables import csv_bytes, parquet_bytes
from zone_store.attribution import RULE
from zone_store.captures import Kind
from zone_store.run.folder import RunError

from .samples import ALICE, BOB, GIVEN, KEY_A, KEY_B, Contents, attachment, make_run, sample


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_csv_cells() -> None:
    columns = {"name": ["=1+1", "@x", "-", 'a,"b"', ""], "n": np.array([1.5, np.nan, 2.0, 1e-9, 0.0])}
    assert csv_bytes(columns).decode() == 'name,n\n\'=1+1,1.5\n\'@x,\n\'-,2.0\n"a,""b""",1e-09\n,0.0\n'


def test_parquet_of_nothing_keeps_its_types() -> None:
    schema = pq.read_schema(
        io.BytesIO(parquet_bytes({"s": [], "i": np.empty(0, np.int64), "k": np.empty((0, 20), np.uint8)}))
    )
    assert [str(field.type) for field in schema] == ["string", "int64", "fixed_size_binary[20]"]


def test_tables_of_the_sample(sample_run: Path) -> None:
    analyze(sample_run, given=GIVEN)
    out = sample_run / "analysis"
    top = rows(out / "top_keys.csv")
    assert [row["key"] for row in top] == [KEY_A.hex(), KEY_B.hex()]
    assert (top[0]["lookups"], top[0]["requesters"], top[0]["announce_share"]) == ("4", "3", "0.2")
    assert [row["completeness"] for row in rows(out / "crawls.csv")] == ["0.0", "0.8", "1.0"]
    assert [row["name"] for row in rows(out / "losses.csv")] == [
        "not_running",
        "kernel_drops",
        "crawl_timeout",
        "<script>name",
    ]
    assert sum(int(row["lookups"]) for row in rows(out / "rates.csv")) == 5
    assert rows(out / "rates.csv")[100]["lookups_per_minute"] == ""  # the gap
    assert rows(out / "key_rates.csv")[0] == {
        "kind": "lookup",
        "per_minute": str(60 / 540),
        "share_of_keys_at_least": "1.0",
    }
    keys = pq.read_table(out / "keys.parquet").to_pydict()
    assert keys["key"] == [KEY_A, KEY_B]  # KEY_C was asked for by find_node only
    assert keys["lookups"] == [4, 1]
    large = {"keys", "contents"}
    assert {path.stem for path in out.glob("*.csv")} == {path.stem for path in out.glob("*.parquet")} - large


def test_the_summary_of_the_sample(sample_run: Path) -> None:
    analysis = analyze(sample_run, given=GIVEN)
    summary = json.loads((sample_run / "analysis" / "analysis.json").read_text())
    assert summary == json.loads(json.dumps(analysis.as_dict()))
    assert (summary["lookups"], summary["node_lookups"], summary["announces"], summary["maintenance"]) == (5, 1, 1, 1)
    assert (summary["keys"], summary["requesters"]) == (2, 3)
    assert (summary["run"]["sealed"], summary["run"]["exit"], summary["run"]["captures"]) == (True, "done", 11)
    assert summary["copies"] == {"mean": 1.4, "packets": 8, "closest_share": 0.8, "unranked": 0}
    assert summary["coverage"]["unmonitored_s"] == 16
    assert summary["load"]["nodes"] == 3
    assert summary["clients"][0] == {
        "name": "libtorrent 2.1",
        "lookups": 3,
        "announces": 1,
        "requesters": 2,
        "share": 0.6,
    }


def test_an_empty_run_has_all_tables_and_no_number_that_is_none(empty_run: Path) -> None:
    analyze(empty_run)
    text = (empty_run / "analysis" / "analysis.json").read_text()
    assert "NaN" not in text
    summary = json.loads(text)
    assert (summary["lookups"], summary["copies"]["mean"], summary["load"]["gini"]) == (0, None, None)
    assert rows(empty_run / "analysis" / "top_keys.csv") == []


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = make_run(tmp_path / name / "20261121T150000Z_mainline_a4-6", sample())
        analyze(folder, given=GIVEN)
        found.append({path.name: path.read_bytes() for path in sorted((folder / "analysis").iterdir())})
    assert len(found[0]) == 35
    assert found[0] == found[1]


def test_no_table_holds_an_address(sample_run: Path) -> None:
    analyze(sample_run, given=GIVEN)
    addresses = ["10.0.0.1", "10.0.0.3", "127.0.0.", str(0x0A000001), str(0x0A000003), str(0x7F000001)]
    for path in (sample_run / "analysis").iterdir():
        if path.suffix == ".parquet":
            names = set(pq.read_schema(path).names)
            assert not {name for name in names if "ip" in name.split("_") or "address" in name or "port" in name}
        else:
            assert not [address for address in addresses if address in path.read_text()], path.name


def test_no_table_and_no_page_holds_a_monitored_nodes_id(tmp_path: Path) -> None:
    target = bytes.fromhex("a4c0ffee00112233445566778899aabbccddeeff")
    one = attachment(1, target)
    one.monitor_id = bytes.fromhex("a4c0ffee00112233445566778899aabbccddeefe")
    stranger = bytes.fromhex("a4beefee00112233445566778899aabbccddeeff")
    look, node, announce = int(Kind.LOOKUP), int(Kind.NODE_LOOKUP), int(Kind.ANNOUNCE)
    asked = [(one.monitor_id, node), (target, look), (target, announce), (target[:19] + b"\x00", look)]
    captures = [(60 + i, 1, ALICE, key, kind, 0, 0) for i, (key, kind) in enumerate([*asked, (stranger, node)])]
    contents = Contents(captures=[*captures, (90, 1, BOB, KEY_A, look, 0, 0)], attachments=[one])
    run = make_run(tmp_path / "run", contents)
    page = report([run])
    keys = pq.read_table(run / "analysis" / "keys.parquet").to_pydict()
    assert (keys["key"], keys["lookups"]) == ([KEY_A], [1])
    for path in [page, *(run / "analysis").iterdir()]:
        if path.is_file():
            data = path.read_bytes()
            for secret in (target, one.monitor_id, stranger):
                assert secret not in data
                assert secret.hex().encode() not in data
                assert secret.hex()[:12].encode() not in data
    kinds = {(row["kind"], row["maintenance"]): int(row["rows"]) for row in rows(run / "analysis" / "kinds.csv")}
    assert kinds["lookup", "node_id"] == 2


def test_copies_of_unknown_attachments_are_on_the_ledger_by_name(tmp_path: Path) -> None:
    contents = sample()
    contents.captures.append((420, 99, ALICE, KEY_A, int(Kind.LOOKUP), 0, 0))
    analysis = analyze(make_run(tmp_path / "run", contents))
    assert {loss.name: loss.count for loss in analysis.losses}["attribution_unknown_attachment"] == 1
    assert "not_attributed" not in {loss.name for loss in analysis.losses}


def test_the_summary_tells_who_made_it_and_how(sample_run: Path) -> None:
    analyze(sample_run, given=Given(analysed_by="7.8.9"))
    summary = json.loads((sample_run / "analysis" / "analysis.json").read_text())
    assert (summary["run"]["montra_version"], summary["analysed_by"]) == ("0.1.0", "7.8.9")
    assert summary["attribution"] == {"rule": RULE, "span_ns": 60 * 10**9, "refresh_bits": 96}
    assert summary["lookups_per_minute"] == 5 * 60 / 540


def test_tables_go_where_they_are_told(sample_run: Path, tmp_path: Path) -> None:
    analyze(sample_run, tmp_path / "elsewhere" / "deep")
    assert (tmp_path / "elsewhere" / "deep" / "analysis.json").is_file()
    assert not (sample_run / "analysis").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        analyze(sample_run, tmp_path / "file" / "out")


def test_a_run_that_is_not_attributed_yet_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", Contents())
    (folder / "lookups.lmdb" / "data.mdb").unlink()
    (folder / "lookups.lmdb").rmdir()
    with pytest.raises(RunError, match="no lookups yet"):
        analyze(folder)
    with pytest.raises(RunError, match="no run folder"):
        analyze(tmp_path)
