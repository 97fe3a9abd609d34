from crawler.crawl import Census, Crawl
from crawler.population import Node


def node(found: int, answered: int, listed: int, sampled: int, missed: int = 0) -> Node:
    return Node(bytes(20), (1, 1), found_crawl=found, answered=answered, listed=listed, sampled=sampled, missed=missed)


def test_census_counts_each_group() -> None:
    silent = node(1, 3, 4, 4, missed=4)
    nodes = [
        *[node(1, 4, 4, 4)] * 8,  # known, sampled
        *[node(1, 4, 4, 3)] * 3,  # known, named in reply to an own ID only
        *[node(2, 4, 3, 3)] * 2,  # known, named by nobody
        *[node(4, 4, 4, 4)] * 5,  # new, sampled
        node(4, 4, 4, 0),  # new, named in reply to an own ID only
        silent,
        node(1, 3, 4, 4),  # neither answered nor given up
    ]
    census = Census.of(nodes, 4)
    assert (census.answered, census.marked, census.sampled, census.recaptured, census.dark) == (19, 13, 13, 8, 2)
    assert census.silent == [silent]


def test_row_takes_the_estimate_from_the_census() -> None:
    census = Census(answered=115, marked=100, sampled=75, recaptured=60)
    row = census.row(Crawl(7, 1_000, 9_000, 8), 5_000, 200, 1, 2, 3, 400, 300)
    assert (row.number, row.begin_ns, row.end_ns, row.seen, row.answered) == (7, 1_000, 5_000, 200, 115)
    assert (row.new, row.gone, row.changed, row.queries, row.replies) == (1, 2, 3, 400, 300)
    assert row.estimate == 101 * 76 / 61 - 1
    assert row.completeness_low < row.completeness < row.completeness_high


def test_a_disturbed_crawl_claims_nothing() -> None:
    census = Census(answered=115, marked=100, sampled=75, recaptured=60)
    row = census.row(Crawl(7, 1_000, 9_000, 8), 5_000, 200, 1, 2, 3, 400, 300, disturbed=True)
    assert (row.estimate, row.completeness, row.completeness_low, row.completeness_high) == (0.0, 0.0, 0.0, 1.0)
    assert (row.answered, row.queries) == (115, 400)
