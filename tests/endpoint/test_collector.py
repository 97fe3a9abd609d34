import gc

import pytest

from montra.endpoint.collector import rare_collections


def test_collections_are_rare_within_and_as_before_after() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] == 70_000
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_an_error_inside_leaves_nothing_behind() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
