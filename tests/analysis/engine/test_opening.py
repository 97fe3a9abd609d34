"""A run opened for questions: its files, its key of pseudonyms, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis.engine.columns import KEYS
from analysis.engine.opening import opened
from analysis.given import Given
from zone_store.run.folder import RunError

from ..kad_sample import GIVEN_KAD, kad_sample
from ..samples import Contents, make_run


def test_what_is_written_stays_and_what_was_temporary_goes(sample_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = out / ".engine-killed"
    killed.mkdir(parents=True)
    (killed / "spilled").write_bytes(b"x")
    with opened(sample_run, out, Given()) as source:
        assert not killed.exists()
        assert source.db.one("SELECT count(*) FROM users") == 7
        assert source.db.rows("SELECT DISTINCT sort FROM keys") == [("info_hash",)]
        assert list(source.said()) == []
        assert (source.run.name, source.folder, source.out) == (sample_run.name, sample_run, out)
    assert sorted(path.name for path in out.iterdir()) == ["keys.parquet", "lookups"]
    assert pq.read_schema(out / "keys.parquet").names == list(KEYS)


def test_pseudonyms_are_by_the_runs_own_key_or_a_shared_one(tmp_path: Path) -> None:
    def requesters(name: str, key: Path | None) -> set[int]:
        run = tmp_path / name
        if not run.exists():
            make_run(run, kad_sample())
        with opened(run, run / "analysis", Given(pseudonym_key=key)) as source:
            return set(source.db.arrays("SELECT DISTINCT requester FROM lookups")["requester"].tolist())

    own, other = requesters("one", None), requesters("two", None)
    assert own == requesters("one", None)
    assert own.isdisjoint(other)
    assert requesters("one", tmp_path / "key") == requesters("two", tmp_path / "key")


def test_keys_of_an_overlay_that_tells_publishes_are_unknown_until_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", kad_sample())
    with opened(run, run / "analysis", GIVEN_KAD) as source:
        assert set(source.db.arrays("SELECT sort FROM keys")["sort"].tolist()) == {"unknown"}


def test_a_run_of_nothing_can_be_asked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Contents())
    with opened(run, run / "analysis", Given()) as source:
        assert source.db.one("SELECT count(*) FROM keys") == 0
    (run / "pseudonyms.key").write_text("no key")
    with pytest.raises(RunError, match="key"), opened(run, run / "analysis", Given()):
        pass
    assert not list((run / "analysis").glob(".engine-*"))
