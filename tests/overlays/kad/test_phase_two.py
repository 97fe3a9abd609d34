from __future__ import annotations

from collections.abc import Callable

import pytest

from montra.overlays.kad import phase_two
from montra.overlays.kad.opcodes import TagName
from montra.overlays.kad.phase_two import File, PublishNotes, PublishSource, SearchNotes, SearchResult, SearchSource
from montra.overlays.kad.reader import KadError

KEYWORD = bytes.fromhex("a4bd1308ace6f2fc7ff1f814710f6297")
SEARCHED = bytes.fromhex("a420e6587f0a775a597717816dda49b9")
FILE = bytes.fromhex("a489c9e9b6f64f4aad8de3d8bc687109")
N4 = bytes.fromhex("a403675a1600a35a099950d836f675cc")
USER = bytes.fromhex("60ab9ea3420ea2e26c37e4d388886f48")
PUBLISHED = [(TagName.FILE_NAME, "kw1149 kw2180 kw4629.1"), (TagName.FILE_SIZE, 64), (TagName.SOURCES, 0)]
SOURCE_TAGS = [
    (TagName.SOURCE_TYPE, 1),
    (TagName.SOURCE_PORT, 4662),
    (TagName.FILE_SIZE, 64),
    (TagName.ENCRYPTION, 2),
]


def test_publishes_of_real_nodes(packets: dict[str, bytes]) -> None:
    published = phase_two.read_publish_key(packets["publish key"])
    assert published == (KEYWORD, [File(FILE, PUBLISHED)], 1)
    assert phase_two.publish_key(KEYWORD, published.files) == packets["publish key"]
    source = phase_two.read_publish_source(packets["publish source"])
    assert source == (FILE, USER, SOURCE_TAGS)
    assert phase_two.publish_source(source) == packets["publish source"]
    assert phase_two.read_publish_result(packets["publish res"]) == (KEYWORD, 0)
    assert phase_two.publish_result(KEYWORD, 0) == packets["publish res"]


def test_searches_of_real_nodes(packets: dict[str, bytes]) -> None:
    assert phase_two.read_search_key(packets["search key"]) == (SEARCHED, 0, "kw1149")
    assert phase_two.search_key(SEARCHED, ["kw1149"]) == packets["search key"]
    searched = SearchSource(FILE, 0, 64)
    assert phase_two.read_search_source(packets["search source"]) == searched
    assert phase_two.search_source(searched) == packets["search source"]
    result = phase_two.read_search_result(packets["search res"])
    assert (result.sender_id, result.key) == (N4, FILE)
    assert result.answers[0].tags == [
        (TagName.FILE_SIZE, 64),
        (TagName.SOURCE_IP, 0x64400101),
        (TagName.SOURCE_TYPE, 1),
        (TagName.SOURCE_PORT, 4662),
        (TagName.ENCRYPTION, 2),
        (TagName.SOURCE_UDP_PORT, 4672),
    ]


def test_there_and_back() -> None:
    notes = PublishNotes(FILE, N4, [(TagName.FILE_RATING, 5), (TagName.DESCRIPTION, "good")])
    assert phase_two.read_publish_notes(phase_two.publish_notes(notes)) == notes
    assert phase_two.publish_notes(notes)[:2] == b"\xe4\x45"
    wanted = SearchNotes(FILE, 2**40)
    assert phase_two.search_notes(wanted).hex() == "e435e9c989a44a4ff6b6d8e38dad097168bc0000000000010000"
    assert phase_two.read_search_notes(phase_two.search_notes(wanted)) == wanted
    result = SearchResult(N4, KEYWORD, [File(FILE, PUBLISHED), File(N4, [])])
    assert phase_two.read_search_result(phase_two.search_result(result)) == result
    source = PublishSource(FILE, N4, SOURCE_TAGS)
    assert phase_two.read_publish_source(phase_two.publish_source(source)) == source
    assert phase_two.read_search_key(phase_two.search_key(KEYWORD)) == (KEYWORD, 0, "")
    assert phase_two.read_search_key(phase_two.search_key(KEYWORD, start=300)) == (KEYWORD, 300, "")
    assert phase_two.read_search_key(phase_two.search_key(KEYWORD, ["a", "b", "c"], 5)) == (
        KEYWORD,
        5,
        "(a AND (b AND c))",
    )


def test_of_a_cut_publish_the_whole_files_are_read() -> None:
    packet = phase_two.publish_key(KEYWORD, [File(FILE, PUBLISHED)] * 3)
    one = (len(packet) - 20) // 3
    for end in range(20, len(packet) + 1):
        published = phase_two.read_publish_key(packet[:end], cut=True)
        assert len(published.files) == (end - 20) // one
        assert published.announced == 3
    with pytest.raises(KadError):
        phase_two.read_publish_key(packet[:-1])
    with pytest.raises(KadError):
        phase_two.read_publish_key(packet[:19], cut=True)
    broken = packet[:36] + b"\1\x07" + packet[38:]  # a tag of unknown type is no cut
    with pytest.raises(KadError):
        phase_two.read_publish_key(broken, cut=True)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("search key", phase_two.read_search_key),
        ("search source", phase_two.read_search_source),
        ("search res", phase_two.read_search_result),
        ("publish key", phase_two.read_publish_key),
        ("publish source", phase_two.read_publish_source),
        ("publish res", phase_two.read_publish_result),
    ],
)
def test_every_reader_refuses_every_cut(packets: dict[str, bytes], name: str, read: Callable[[bytes], object]) -> None:
    for end in range(2, len(packets[name])):
        with pytest.raises(KadError):
            read(packets[name][:end])


def test_buddies() -> None:
    find = phase_two.FindBuddy(KEYWORD, bytes.fromhex("b7cad3efbf0e165b5cfc99e0acd06f42"), 4662)
    packet = phase_two.find_buddy(find)
    assert packet.hex() == "e451" + "0813bda4fcf2e6ac14f8f17f97620f71" + ("efd3cab75b160ebfe099fc5c426fd0ac" + "3612")
    assert phase_two.read_find_buddy(packet) == find
