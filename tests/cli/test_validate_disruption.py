"""`montra validate disruption`: what it refuses before anything starts."""

import pytest
from click.testing import CliRunner

from montra.cli.validate.disruption import _config, command

pytest.importorskip("libtorrent")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--clients", "azureus"], "client 'azureus' is none of libtorrent, transmission, aria2, rtorrent, webtorrent"),
        (["--policies", "polite"], "policy 'polite' is none of paper, far-id, own-id, error, discard, once, behind,"),
        (["--nodes", "8"], "8 is not in the range"),
        (["--clients", ""], "client '' is none of libtorrent"),
    ],
)
def test_names_and_numbers_that_are_wrong(words: list[str], line: str) -> None:
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 2
    assert line in " ".join(result.output.split())


def test_the_window_is_the_labs_with_the_share_of_targets_asked_for() -> None:
    config = _config(every=4, seed=7)
    assert config["monitors"]["every"] == 4
    assert config["seed"] == 7
    assert "canaries" not in config
