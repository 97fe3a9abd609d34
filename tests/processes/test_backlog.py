"""What waits for a worker: the newest about each node, in bounded room."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from montra.processes.backlog import Backlog
from montra.processes.messages import Changed, Found, Gone, News, View

A, B, C = (bytes([n]) * 20 for n in (1, 2, 3))


def taken(*news: News) -> list[News]:
    backlog = Backlog(10)
    for one in news:
        assert backlog.put(one)
    return backlog.take(100)


def test_news_come_in_order_and_views_last() -> None:
    found, view, other = Found(A, 1, 1, b""), View(A, 1, 1, ()), Found(B, 2, 1, b"")
    assert taken(view, found, other) == [found, other, view]


def test_the_newest_about_a_node_takes_the_place_of_the_older() -> None:
    assert taken(Found(A, 1, 1, b""), Gone(A, 1, 1)) == [Gone(A, 1, 1)]
    assert taken(Gone(A, 1, 1), Found(B, 1, 1, b"v")) == [Found(B, 1, 1, b"v")]
    assert taken(View(A, 1, 1, ((B, 1, 1),)), View(A, 1, 1, ())) == [View(A, 1, 1, ())]


def test_changes_are_told_from_the_id_that_the_worker_knows() -> None:
    first = Changed(A, B, 1, 1, True)
    assert taken(first, Changed(B, C, 1, 1, False)) == [Changed(A, C, 1, 1, False)]
    assert taken(first, Gone(B, 1, 1)) == [Gone(A, 1, 1)]
    assert taken(first, Found(C, 1, 1, b"")) == [Found(C, 1, 1, b"")]


def test_what_does_not_fit_is_refused_and_remembered() -> None:
    backlog = Backlog(2)
    assert backlog.put(Found(A, 1, 1, b""))
    assert backlog.put(Found(A, 2, 1, b""))
    assert not backlog.behind
    assert not backlog.put(Found(A, 3, 1, b""))
    assert backlog.behind
    assert backlog.put(Gone(A, 2, 1)), "news of a node that waits always fits"
    assert backlog.take(1) == [Found(A, 1, 1, b"")]
    assert backlog.behind
    backlog.clear()
    assert (len(backlog), backlog.behind, backlog.take(5)) == (0, False, [])


def test_too_many_views_are_only_left_out() -> None:
    backlog = Backlog(1)
    assert backlog.put(View(A, 1, 1, ()))
    assert not backlog.put(View(A, 2, 1, ()))
    assert not backlog.behind


@given(st.integers(0, 2**32))
def test_a_worker_that_reads_now_and_then_ends_with_the_same_picture(seed: int) -> None:
    """Two readers, one of every event and one of joined ones, know the same ID at every address in the end."""
    rng = random.Random(seed)
    truth: dict[int, bytes] = {}
    told: dict[int, bytes] = {}
    backlog = Backlog(8)

    def hear(news: News) -> None:
        match news:
            case Found():
                told[news.ip] = news.node_id
            case Changed():
                if news.ours:
                    told[news.ip] = news.node_id
                elif told.get(news.ip) == news.old_id:
                    del told[news.ip]
            case Gone():
                if told.get(news.ip) == news.node_id:
                    del told[news.ip]

    for _ in range(60):
        ip, node_id = rng.randrange(1, 5), bytes([rng.randrange(1, 4)]) * 20
        known = truth.get(ip)
        if known is None:
            truth[ip] = node_id
            backlog.put(Found(node_id, ip, 1, b""))
        elif rng.random() < 0.3:
            del truth[ip]
            backlog.put(Gone(known, ip, 1))
        elif known != node_id:
            stays = rng.random() < 0.7
            backlog.put(Changed(known, node_id, ip, 1, stays))
            truth.pop(ip)
            if stays:
                truth[ip] = node_id
        if rng.random() < 0.2:
            for one in backlog.take(rng.randrange(1, 4)):
                hear(one)
    for one in backlog.take(100):
        hear(one)
    assert told == truth
