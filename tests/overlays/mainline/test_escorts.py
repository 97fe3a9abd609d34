"""Two monitors of a search fail at once, a third waits for one that answers."""

from montra.datagrams import StrangerReply
from montra.overlays.mainline.escorts import Escorts

SECOND = 10**9
KEY, OTHER = b"k" * 20, b"o" * 20


def error(local: int, ip: int = 7) -> StrangerReply:
    return StrangerReply(local, ip, 6881, b"error %d" % local)


def test_the_third_waits_and_is_released_once() -> None:
    escorts = Escorts()
    assert [escorts.fails_at_once(0, KEY, error(i)) for i in (1, 2, 3)] == [True, True, False]
    assert escorts.release(0, OTHER, 7, 6881) == []
    assert escorts.release(0, KEY, 8, 6881) == []
    assert escorts.release(SECOND, KEY, 7, 6881) == [error(3)]
    assert escorts.release(SECOND, KEY, 7, 6881) == []


def test_searches_are_apart_and_end() -> None:
    escorts = Escorts()
    assert all(escorts.fails_at_once(0, KEY, error(i, ip)) for i in (1, 2) for ip in (7, 8))
    assert escorts.fails_at_once(0, OTHER, error(1))
    assert not escorts.fails_at_once(29 * SECOND, KEY, error(3))
    assert escorts.release(30 * SECOND, KEY, 7, 6881) == []  # its query is closed by now
    assert escorts.fails_at_once(30 * SECOND, KEY, error(1))


def test_memory_is_bounded() -> None:
    escorts = Escorts()
    for ip in range(5000):
        assert escorts.fails_at_once(0, KEY, error(1, ip))
    assert len(escorts._searches) == 4096
    assert [escorts.fails_at_once(1, KEY, error(2, 4999)), escorts.fails_at_once(1, KEY, error(3, 4999))] == [
        True,
        False,
    ]
