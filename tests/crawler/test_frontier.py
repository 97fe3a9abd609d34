from crawler.frontier import Frontier
from crawler.questions import Lane, Purpose, Question


def question(lane: Lane, crawl: int = 1) -> Question:
    return Question((1, 1), b"\x01" * 20, Purpose.OWN_ID, lane, crawl=crawl)


def drain(frontier: Frontier) -> list[Lane]:
    lanes = []
    while (item := frontier.pop()) is not None:
        lanes.append(item.lane)
    return lanes


def test_urgent_lanes_first_fresh_and_known_in_turn_slices_last() -> None:
    frontier = Frontier()
    for lane in (Lane.SLICE, Lane.KNOWN, Lane.KNOWN, Lane.KNOWN, Lane.FRESH, Lane.FRESH, Lane.ENTRY, Lane.PROBE):
        frontier.push(question(lane), 0, 0)
    assert drain(frontier) == [
        Lane.PROBE,
        Lane.ENTRY,
        Lane.FRESH,
        Lane.KNOWN,
        Lane.FRESH,
        Lane.KNOWN,
        Lane.KNOWN,
        Lane.SLICE,
    ]


def test_nothing_leaves_before_its_time() -> None:
    frontier = Frontier()
    late, later = question(Lane.SLICE), question(Lane.PROBE)
    frontier.push(later, 200, 0)
    frontier.push(late, 100, 0)
    assert frontier.pop() is None
    assert frontier.due() == 100
    frontier.ripen(150)
    assert frontier.due() == 0
    assert frontier.pop() is late
    assert frontier.due() == 200
    frontier.ripen(200)
    assert frontier.pop() is later
    assert frontier.due() is None


def test_dropping_a_crawl_keeps_what_belongs_to_none() -> None:
    frontier = Frontier()
    probe, recheck = question(Lane.PROBE, crawl=0), question(Lane.KNOWN, crawl=0)
    frontier.push(probe, 0, 0)
    frontier.push(recheck, 50, 0)
    for ready in (0, 10, 99):
        frontier.push(question(Lane.SLICE), ready, 0)
    assert len(frontier) == 5
    assert frontier.drop_crawl() == 3
    assert len(frontier) == 2
    assert frontier.pop() is probe
    assert frontier.due() == 50


def test_probes_are_every_fifth_while_others_wait_and_all_that_goes_when_none_do() -> None:
    frontier = Frontier()
    for _ in range(100):
        frontier.push(question(Lane.PROBE), 0, 0)
    for _ in range(20):
        frontier.push(question(Lane.KNOWN), 0, 0)
    order = drain(frontier)
    assert order[:25] == [Lane.PROBE, *[Lane.KNOWN] * 4] * 5
    assert order[25:] == [Lane.PROBE] * 95
