"""Two monitors of a search fail at once, a third waits for one that answers."""

from montra.datagrams import StrangerReply
from montra.overlays.mainline.escorts import Escorts

SECOND = 10**9
SEARCH, OF_ANOTHER, FOR_ANOTHER = (7, 6881, b"k" * 20), (8, 6881, b"k" * 20), (7, 6881, b"o" * 20)


def error(local: int) -> StrangerReply:
    return StrangerReply(local, 7, 6881, b"error %d" % local)


def test_the_third_waits_and_is_released_once() -> None:
    escorts = Escorts()
    assert [escorts.fails_at_once(0, SEARCH) for _ in range(3)] == [True, True, False]
    escorts.hold(SEARCH, error(3))
    assert escorts.release(0, OF_ANOTHER) is None
    assert escorts.release(0, FOR_ANOTHER) is None
    assert escorts.release(SECOND, SEARCH) == error(3)
    assert escorts.release(SECOND, SEARCH) is None


def test_of_several_that_wait_the_last_is_kept() -> None:
    escorts = Escorts()
    assert [escorts.fails_at_once(0, SEARCH) for _ in range(4)] == [True, True, False, False]
    escorts.hold(SEARCH, error(3))
    escorts.hold(SEARCH, error(4))
    assert escorts.release(SECOND, SEARCH) == error(4)
    assert escorts.release(SECOND, SEARCH) is None


def test_searches_are_apart_and_end() -> None:
    escorts = Escorts()
    assert all(escorts.fails_at_once(0, search) for search in (SEARCH, OF_ANOTHER, FOR_ANOTHER) for _ in range(2))
    assert not escorts.fails_at_once(29 * SECOND, SEARCH)
    escorts.hold(SEARCH, error(3))
    assert escorts.release(30 * SECOND, SEARCH) is None  # its query is closed by now
    assert escorts.fails_at_once(30 * SECOND, SEARCH)


def test_memory_is_bounded() -> None:
    escorts = Escorts()
    for ip in range(5000):
        assert escorts.fails_at_once(0, (ip, 6881, b"k" * 20))
    assert len(escorts._searches) == 4096
    assert [escorts.fails_at_once(1, (4999, 6881, b"k" * 20)) for _ in range(2)] == [True, False]
