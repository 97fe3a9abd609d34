"""Answering once in a network of real amuled: what they publish and search is made out."""

from __future__ import annotations

from pathlib import Path

import pytest

from montra.cli.kad_window import watch_kad
from montra.lab.kad import programs
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.validation.kad_identified import identified
from montra.validation.kad_truth import load_kad_truth
from zone_store.contents import What
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.clients, pytest.mark.netns]


@pytest.mark.timeout(240)
def test_real_clients_tell_keywords_and_files_with_size(tmp_path: Path) -> None:
    settings = KadLabSettings(out=tmp_path / "lab", nodes=10, rate=20.0, publishers=(6, 3, *[1] * 14), words=20, seed=5)
    if lacks := programs.missing(settings):
        pytest.skip(lacks[0])
    workload = KadWorkload(duration_s=8.0, share_within_s=3.0, searches=20, downloads=6)
    window = watch_kad(settings, workload, tmp_path, {"replies.mode": "once"}, lambda _: None)
    truth = load_kad_truth(settings.out)
    assert verify(window.run).problems == []
    with RunReader(window.run) as reader:
        contents = list(reader.contents())
        manifest = reader.manifest
    found = identified(truth, contents)
    assert found.all.trials >= 20
    assert found.all.share >= 0.9
    assert found.wrong == 0
    said = {content.what for content in contents}
    assert said >= {What.KEYWORD, What.SOURCE, What.SEARCH_KEYWORD}
    names = {content.file_id.hex(): content.name for content in contents if content.what == What.KEYWORD}
    files = {file.hash: file.name for file in truth.record.files}
    assert names == {file_id: files[file_id] for file_id in names}
    # once for each content ID, and nothing of it is answered
    assert manifest.counters["monitor_stranger_replies_once"] <= found.all.trials + found.buddies
    assert manifest.contents == len(contents)
