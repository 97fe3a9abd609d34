from __future__ import annotations

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from montra.datagrams import Counters, Datagram, StrangerReply, ip_number
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Limits, LimitSettings, Rate
from montra.endpoint.outbox import NEVER_NS, Outbox

MS = 1_000_000
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
FREE = Rate(math.inf, 1)
BASE = ip_number("10.0.0.0")


def box(
    limits: LimitSettings,
    blocklist: Blocklist | None = None,
    max_wait_s: float = 5.0,
    max_waiting: int = 1000,
    crawl_wait_s: float = 5.0,
    max_answers: int = 1000,
) -> tuple[Outbox, Counters]:
    counters = Counters()
    outbox = Outbox(
        Limits(limits),
        blocklist or Blocklist(),
        max_wait_s,
        max_waiting,
        counters,
        crawl_wait_s=crawl_wait_s,
        max_answers=max_answers,
    )
    return outbox, counters


def one(ip: int, tag: int = 0, port: int = 6881, local: int = 1) -> Datagram:
    return Datagram(local, BASE + ip, port, b"%d" % tag)


def tags(datagrams: list[Datagram]) -> list[int]:
    return [int(d.payload) for d in datagrams]


def test_passes_what_is_allowed_in_order() -> None:
    outbox, counters = box(LimitSettings())
    assert outbox.due() == NEVER_NS
    outbox.offer(START, [one(i, i) for i in range(10)])
    assert outbox.due() == START
    assert len(outbox) == 10
    assert tags(outbox.ready(START)) == list(range(10))
    assert outbox.ready(START) == []
    assert outbox.due() == NEVER_NS
    assert len(outbox) == 0
    assert counters.counts == {}


def test_blocklisted_is_never_sent() -> None:
    outbox, counters = box(LimitSettings(), Blocklist.parse("10.0.0.0/30"))
    outbox.offer(START, [one(i, i) for i in range(6)], answers=True)
    assert tags(outbox.ready(START)) == [4, 5]
    assert counters.counts == {"blocklisted": 4}


def test_a_busy_target_waits_alone_and_expires_by_name() -> None:
    outbox, counters = box(LimitSettings(total=FREE, target=Rate(2, 1), subnet=FREE), max_wait_s=2.0)
    outbox.offer(START, [one(1, i) for i in range(8)] + [one(2, 100)])
    assert tags(outbox.ready(START)) == [0, 100]
    got = []
    while (due := outbox.due()) < NEVER_NS:
        assert due > START
        got += [(due - START, tag) for tag in tags(outbox.ready(due))]
    assert got == [(500 * MS, 1), (1000 * MS, 2), (1500 * MS, 3)]
    # at two seconds the wait is over; the token of that moment goes to nobody
    assert counters.counts == {"rate_limited_target": 4}


def test_subnet_and_total_expire_by_name() -> None:
    outbox, counters = box(LimitSettings(total=FREE, target=FREE, subnet=Rate(1, 2)), max_wait_s=0.5)
    outbox.offer(START, [one(i, i) for i in range(5)] + [one(256, 9)])
    assert tags(outbox.ready(START)) == [0, 1, 9]
    assert outbox.ready(START + SECOND // 2) == []
    assert counters.counts == {"rate_limited_subnet": 3}
    outbox, counters = box(
        LimitSettings(total=Rate(1, 2), target=FREE, subnet=FREE, scheduled_share=1.0), max_wait_s=0.5
    )
    outbox.offer(START, [one(i, i) for i in range(5)])
    assert tags(outbox.ready(START)) == [0, 1]
    assert outbox.ready(START + SECOND // 2) == []
    assert counters.counts == {"rate_limited_total": 3}


def test_ports_of_one_ip_are_different_targets() -> None:
    outbox, _ = box(LimitSettings(total=FREE, target=Rate(1, 1), subnet=FREE))
    outbox.offer(START, [one(1, 0, port=1), one(1, 1, port=2), one(1, 2, port=1)])
    assert tags(outbox.ready(START)) == [0, 1]


def test_full_box_refuses_the_newest() -> None:
    outbox, counters = box(LimitSettings(total=Rate(1, 1)), max_waiting=3)
    outbox.offer(START, [one(i, i) for i in range(5)])
    assert counters.counts == {"outbox_full": 2}
    assert tags(outbox.ready(START)) == [0]
    outbox.offer(START, [one(9, 9), one(10, 10)])
    assert counters.counts == {"outbox_full": 3}
    assert len(outbox) == 3


def test_what_is_scheduled_and_answers_have_places_of_their_own() -> None:
    rates = LimitSettings(total=Rate(1, 1), target=FREE, subnet=FREE)
    outbox, counters = box(rates, max_waiting=3, max_answers=2)
    outbox.offer(START, [one(i, i, local=i % 2) for i in range(5)])  # crawler's and monitors' alike
    assert counters.counts == {"outbox_full": 2}
    outbox.offer(START, [one(9, 10 + i) for i in range(4)], answers=True)
    assert counters.counts == {"outbox_full": 4}
    assert tags(outbox.ready(START)) == [0]
    # one place is free again, and of those for answers none
    outbox.offer(START, [one(8, 20)], answers=True)
    outbox.offer(START, [one(8, 21), one(8, 22)])
    assert counters.counts == {"outbox_full": 6}
    assert len(outbox) == 5


def test_the_crawlers_wait_shorter_and_are_counted_apart() -> None:
    rates = LimitSettings(total=Rate(10, 1), target=FREE, subnet=FREE, scheduled_share=1.0)
    outbox, counters = box(rates, max_wait_s=5.0, max_waiting=60, crawl_wait_s=1.0)
    outbox.offer(START, [one(i, i, local=i % 2) for i in range(64)])
    assert outbox.crawl_unsent == 2
    got = [(START, tag) for tag in tags(outbox.ready(START))]
    while (due := outbox.due()) < NEVER_NS:
        got += [(due, tag) for tag in tags(outbox.ready(due))]
    crawled = [(at - START, tag) for at, tag in got if tag % 2 == 0]
    others = [(at - START, tag) for at, tag in got if tag % 2]
    assert [tag for _, tag in crawled] == [0, 2, 4, 6, 8]
    assert max(at for at, _ in crawled) < SECOND
    # the places in line of those that expired go to those behind them, in order
    assert [tag for _, tag in others] == list(range(1, 60, 2))
    assert [at for at, _ in others[5:]] == [(10 + i) * 100 * MS for i in range(25)]
    assert outbox.crawl_unsent == 2 + 25
    assert counters.counts == {"outbox_full": 4, "rate_limited_total": 25}
    assert outbox._lines == {}


def test_a_target_line_of_the_expired_holds_up_nobody() -> None:
    outbox, _ = box(LimitSettings(total=FREE, target=Rate(0.5, 1), subnet=FREE), crawl_wait_s=1.0)
    outbox.offer(START, [one(1, 0, local=0), one(1, 1, local=0)])
    assert tags(outbox.ready(START)) == [0]
    assert outbox.ready(START + SECOND) == []
    outbox.offer(START + 2 * SECOND, [one(1, 2)])
    assert tags(outbox.ready(START + 2 * SECOND)) == [2]
    assert (len(outbox), outbox.crawl_unsent) == (0, 1)


def test_newcomers_do_not_overtake() -> None:
    outbox, _ = box(LimitSettings(total=Rate(10, 1), target=FREE, subnet=FREE, scheduled_share=1.0))
    outbox.offer(START, [one(1, 1), one(2, 2)])
    assert tags(outbox.ready(START)) == [1]
    outbox.offer(START + 100 * MS, [one(3, 3)])
    assert tags(outbox.ready(START + 100 * MS)) == [2]
    assert tags(outbox.ready(START + 200 * MS)) == [3]


def test_answers_do_not_wait_behind_a_crawl() -> None:
    rates = LimitSettings(total=Rate(100, 4), target=FREE, subnet=FREE, scheduled_share=0.75)
    outbox, counters = box(rates, max_waiting=2000)
    outbox.offer(START, [one(i, i, local=0) for i in range(1000)])
    assert counters.counts == {}
    now, waits, crawled = START, [], 0
    for step in range(400):  # four seconds, an answer every 50 ms (a fifth of the total)
        now = START + step * 10 * MS
        if step % 5 == 0:
            outbox.offer(now, [one(5000 + step, 10_000 + step)], answers=True)
        for tag in tags(outbox.ready(now)):
            if tag >= 10_000:
                waits.append(step - (tag - 10_000))
            else:
                crawled += 1
    assert len(waits) == 80
    assert max(waits) <= 1
    assert 290 <= crawled <= 304  # and the crawl had its three quarters
    assert counters.counts == {}


def test_answers_cannot_starve_the_crawl_for_ever() -> None:
    rates = LimitSettings(total=Rate(100, 1), target=FREE, subnet=FREE)
    outbox, _ = box(rates, max_wait_s=2.0, max_waiting=100_000)
    crawled = 0
    for step in range(400):
        now = START + step * 10 * MS
        outbox.offer(now, [one(i, 1) for i in range(2)], answers=True)
        outbox.offer(now, [one(9, 0, local=0)])
        crawled += tags(outbox.ready(now)).count(0)
    assert crawled > 80  # age order: a third of what is offered, and of what is sent


def test_the_end_discards_by_name() -> None:
    outbox, counters = box(LimitSettings(target=Rate(1, 1)))
    outbox.offer(START, [one(1, i) for i in range(4)])
    outbox.ready(START)
    outbox.offer(START, [one(2, 9)])
    outbox.discard()
    assert len(outbox) == 0
    assert outbox.due() == NEVER_NS
    assert outbox.ready(START + SECOND) == []
    assert counters.counts == {"outbox_discarded": 4}


rate = st.tuples(st.sampled_from([0.5, 3.0, 10.0, 77.0, 1000.0]), st.integers(1, 8)).map(lambda pair: Rate(*pair))
step = st.tuples(
    st.integers(0, 800 * MS),  # time passing
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=12),  # (subnet, host, answer)
)


@settings(max_examples=150, deadline=None)
@given(rate, rate, rate, st.sampled_from([0.3, 0.75, 1.0]), st.lists(step, max_size=25), st.booleans())
def test_limits_hold_and_nothing_is_lost(
    total: Rate,
    target: Rate,
    subnet: Rate,
    share: float,
    steps: list[tuple[int, list[tuple[int, int, bool]]]],
    prompt: bool,
) -> None:
    outbox, counters = box(
        LimitSettings(total, target, subnet, share), max_wait_s=1.0, max_waiting=20, crawl_wait_s=0.3, max_answers=10
    )
    now, offered = START, 0
    born: dict[int, int] = {}
    answers: dict[int, bool] = {}
    sent: list[tuple[int, Datagram]] = []

    def collect(at: int) -> None:
        got = outbox.ready(at)
        assert all(at - born[int(d.payload)] <= (SECOND if d.local else 300 * MS) or not prompt for d in got)
        sent.extend((at, d) for d in got)
        assert outbox.due() > at
        assert len(outbox) + len(sent) + sum(counters.counts.values()) == offered

    for gap, rows in steps:
        # with `prompt` every wake-up asked for is kept, otherwise they are all late
        while prompt and outbox.due() <= now + gap:
            collect(outbox.due())
        now += gap
        for third, last, answer in rows:
            born[offered], answers[offered] = now, answer
            outbox.offer(now, [one(third << 8 | last, offered, local=third % 2)], answers=answer)
            offered += 1
        assert len(outbox) <= 30
        collect(now)
    while outbox.due() < NEVER_NS:
        collect(outbox.due())
    assert len(outbox) == 0
    assert len(sent) + sum(counters.counts.values()) == offered
    assert set(counters.counts) <= {"outbox_full", "rate_limited_target", "rate_limited_subnet", "rate_limited_total"}
    assert len({d.payload for _, d in sent}) == len(sent)

    def holds(limit: Rate, times: list[int]) -> None:
        for i, first in enumerate(times):
            for j in range(i, len(times)):
                assert j - i + 1 <= limit.burst + limit.per_s * (times[j] - first) / 1e9 + 1e-6

    holds(total, [at for at, _ in sent])
    for ip, port in {(d.ip, d.port) for _, d in sent}:
        holds(target, [at for at, d in sent if (d.ip, d.port) == (ip, port)])
    for group in {d.ip >> 8 for _, d in sent}:
        holds(subnet, [at for at, d in sent if d.ip >> 8 == group])
    # one target's datagrams of one class keep their order
    for ip, answer in {(d.ip, answers[int(d.payload)]) for _, d in sent}:
        order = [int(d.payload) for _, d in sent if d.ip == ip and answers[int(d.payload)] == answer]
        assert order == sorted(order)


def test_memory_goes_back_to_nothing() -> None:
    outbox, counters = box(LimitSettings(total=Rate(500, 50), target=Rate(1, 1), subnet=Rate(5, 5)), max_waiting=5000)
    rng = random.Random(4)
    now = START
    for _ in range(200):
        now += 10 * MS
        outbox.offer(now, [one(rng.randrange(1 << 16), 1) for _ in range(20)])
        outbox.ready(now)
    while (due := outbox.due()) < NEVER_NS:
        outbox.ready(due)
    outbox.ready(due - 1)
    assert outbox._lines == {}
    assert outbox._wakes == []
    assert not any(outbox._waiting.values())
    assert counters.counts.keys() <= {"rate_limited_target", "rate_limited_subnet", "rate_limited_total"}


def test_a_crowd_in_one_subnet_costs_no_square() -> None:
    """Each datagram moves along lines a few times, it is not looked at anew with every token."""
    n = 20_000
    limits = Limits(LimitSettings(total=FREE, target=FREE, subnet=Rate(1000, 1)))
    looks = 0
    real = limits.next_ns

    def counted(gate: tuple[int, int]) -> int:
        nonlocal looks
        looks += 1
        return real(gate)

    limits.next_ns = counted  # type: ignore[method-assign]
    outbox = Outbox(limits, Blocklist(), 60.0, n, Counters())
    outbox.offer(START, [one(i & 255, i, port=1 + i) for i in range(n)])
    sent = len(outbox.ready(START))
    while (due := outbox.due()) < NEVER_NS:
        sent += len(outbox.ready(due))
    assert sent == n
    assert looks < 15 * n


def reply(ip: int, tag: int = 0, port: int = 6881) -> StrangerReply:
    return StrangerReply(*one(ip, tag, port))


def test_replies_to_strangers_go_at_once_or_never_and_are_counted_by_limit() -> None:
    rates = LimitSettings(requester=Rate(1, 2), subnet=Rate(1, 3), replies=Rate(1, 4))
    outbox, counters = box(rates)
    outbox.offer(START, [reply(1, i) for i in range(4)] + [reply(2, 10), reply(3, 11)], answers=True)
    assert outbox.due() == START
    assert tags(outbox.ready(START)) == [0, 1, 10]  # two of one requester, three of one /24
    assert counters.counts == {"reply_limited_requester": 2, "reply_limited_subnet": 1}
    outbox.offer(START, [reply(256, 20), reply(512, 21)], answers=True)
    assert tags(outbox.ready(START)) == [20]
    assert counters.counts["reply_limited_total"] == 1
    assert len(outbox) == 0
    assert outbox.due() == NEVER_NS
    outbox.offer(START + SECOND, [reply(1, 30)], answers=True)
    assert tags(outbox.ready(START + SECOND)) == [30]


def test_replies_to_strangers_take_nothing_from_anybody() -> None:
    """Whoever is asked for by a flood of queries, real or forged, still gets all that is meant for targets."""
    tight = LimitSettings(total=Rate(1, 4), target=Rate(1, 2), subnet=Rate(1, 4), scheduled_share=0.5)
    outbox, counters = box(tight)
    outbox.offer(START, [reply(1, 100 + i) for i in range(50)], answers=True)
    outbox.offer(START, [one(1, 1), one(1, 2)], answers=True)
    outbox.offer(START, [one(2, 3)])
    out = outbox.ready(START)
    assert [d for d in tags(out) if d < 100] == [1, 2, 3]
    assert len(outbox) == 0
    assert counters.counts == {"reply_limited_subnet": 46}


def test_replies_to_strangers_are_bounded_and_respect_the_blocklist() -> None:
    counters = Counters()
    free = LimitSettings(requester=FREE, subnet=FREE, replies=FREE)
    outbox = Outbox(Limits(free), Blocklist.parse("10.0.0.0/32"), 5.0, 1, counters, max_replies=3)
    outbox.offer(START, [reply(i, i) for i in range(6)], answers=True)
    assert counters.counts == {"blocklisted": 1, "reply_limited_outbox": 2}
    outbox.offer(START, [one(9, 9)])  # they take no place of anybody else
    outbox.discard()
    assert counters.counts == {"blocklisted": 1, "reply_limited_outbox": 5, "outbox_discarded": 1}
    assert outbox.due() == NEVER_NS
