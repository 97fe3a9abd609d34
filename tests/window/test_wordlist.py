"""Words of a list by their content IDs."""

from __future__ import annotations

from pathlib import Path

import pytest

from montra.overlays import base as overlays
from montra.window.wordlist import read_words
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import RunError

# MD4 of "abc" and "message digest" (RFC 1320, A.5)
ABC, DIGEST = bytes.fromhex("a448017aaf21d8525fc10ae87aa6729d"), bytes.fromhex("d9130a8164549fe818874806e1c7014b")


def test_words_of_the_zone_are_read_in_lower_case(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"ABC\n\n  message digest \r\n\xff\xfe\n")
    kad = overlays.load("kad")
    assert read_words(path, kad, Zone.parse("a4/6", 128)) == {ABC: "abc"}
    assert read_words(path, kad, Zone.parse("a4/1", 128))[DIGEST] == "message digest"


def test_an_overlay_without_keywords_has_no_use_for_words(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("abc\n")
    assert read_words(path, overlays.load("mainline"), Zone.parse("a4/1")) == {}


def test_a_list_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot read .*words: No such file"):
        read_words(tmp_path / "words", overlays.load("kad"), Zone.parse("a4/6", 128))
