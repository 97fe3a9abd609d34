"""The whole scene with one client: silent monitors make it wait, polite ones do not."""

import os
import shutil
import tomllib
from pathlib import Path

import pytest

from montra.lab.clients.drivers import Libtorrent
from montra.validation.disruption.scene import CRAWLER, MONITORS, Setting, play, wanted_of
from montra.validation.disruption.summary import NONE, rows
from montra.window import shipped

pytestmark = [pytest.mark.clients, pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(240)]


def test_libtorrent_beside_polite_monitors_and_without(tmp_path: Path) -> None:
    pytest.importorskip("libtorrent")
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and iproute2")
    config = tomllib.loads(shipped.text("lab"))
    config["addresses"] |= {"crawler": CRAWLER, "monitors": [MONITORS]}
    config.pop("canaries", None)
    name = Libtorrent.name
    setting = Setting([name], 20, 2, 3, 0.5, 30.0, tmp_path, config, settle_s=2.0, tail_s=1.0)
    found = {}
    for policy in (NONE, "far-id"):
        outcome = play(setting, policy, lambda _: None)
        assert outcome.dropped == 0
        found[name, policy] = outcome.searches[name]
        assert outcome.visible >= (20 if policy != NONE else 0)
    without, polite = rows(found, {name: wanted_of(name)})
    assert without.trials == polite.trials == 2
    assert without.monitors_asked.most == 0
    assert polite.monitors_asked.least > 0
    assert polite.to_monitors.most == 0
    assert polite.first_announce_s.most < 10.0  # a silent monitor costs 15 s
    assert polite.found.least > 0
