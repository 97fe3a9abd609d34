"""How much of the zone a crawl knows: capture-recapture that does not count memory as discovery.

Successive crawls share their start: each asks again whom it knows. That a node is found again so says that it lives,
and nothing about how many are still unknown. Hence two groups of living nodes are compared in every crawl:

- *marked*: known before the crawl began, and answering in it (m1 of them);
- *sampled*: answering, and named by another node in reply to one of this crawl's random questions (n2 of them), whether
  known before or not. Random questions are those whose target was drawn for the question. Replies to a node's own ID
  do not count: the same question each time, it names the same nodes each time. Nor does memory enter here: a node is
  sampled because others hold it in their tables, and the crawler, being read-only, never put it there.

If being known and being sampled are independent, the share of marked among the sampled (m2 of n2) is the share of the
zone that was known, and the population is Chapman's estimate (m1 + 1)(n2 + 1)/(m2 + 1) - 1 (Chapman 1951, Univ.
California Publ. Statist. 1:131-160; Seber 1982, The Estimation of Animal Abundance, chapter 3). The zone is
open. Deaths are observed: a marked node that does not answer is left out. Arrivals would do no harm if they were
sampled like the others, for then the estimate holds for the time of the second sample (Seber 1982, chapter 3), the
crawl itself. They are not: a fresh node that no table names yet is neither known nor sampled, so it is missed by the
crawl and by the estimate alike. What is estimated is the population of established nodes, which others list.

The interval holds all populations for which the 2 x 2 table (known before or not, sampled or not) does not contradict
independence: Pearson's chi-square test inverted at 5 %. Unlike Wald's interval around Chapman's estimate it does not
shrink to nothing when every sampled node was known, and it never goes below the number of nodes seen. Below 7
recaptures nothing is reported (Robson and Regier 1964, Trans. Am. Fish. Soc. 93:215-226: from there on the estimate's
bias is negligible). It is the interval of sampling alone: nothing of the bias below is in it, so that under churn it
nearly always lies above the true share.

**Bias.** Nodes are not equally easy to sample: long-lived ones sit in many tables, fresh ones in few, and some in none
that we ask. Who is sampled easily is also known early, so the two are positively correlated, m2 is too large and the
population too small: the estimate is a *lower bound* for the population and the completeness an *upper bound* (Chao
1987, Biometrics 43:783-791). With capture probabilities p over the nodes, and known nodes known with probabilities q,
it tends to sum(q) sum(p) / sum(q p). Two things soften it: q grows with every crawl (any p > 0 is found some day),
and nodes that only own-ID replies revealed raise the bound. What the estimate can never see are nodes that no table
names. Nodes at which it can be seen are the *dark* ones: known, answering, but named by nobody in this crawl; many
of them mean that there are more of the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Fewest recaptures for an estimate.
MIN_RECAPTURED = 7

#: Two-sided 95 % of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Completeness:
    """Population of listed nodes, and the share of it that a crawl found, with the 95 % interval of sampling alone."""

    population: float
    share: float
    low: float
    high: float


#: Nothing known yet: no population, and a share of anything between none and all.
UNKNOWN = Completeness(0.0, 0.0, 0.0, 1.0)


def estimate(found: int, marked: int, sampled: int, recaptured: int) -> Completeness:
    """Estimate how much of the zone `found` living nodes are.

    marked: known before the crawl, and answering; sampled: answering, and named in reply to random questions;
    recaptured: both. Returns UNKNOWN where that says too little. Raises ValueError for counts that cannot be.
    """
    if not 0 <= recaptured <= min(marked, sampled) or marked + sampled - recaptured > found:
        raise ValueError(f"{found} found, {marked} marked, {sampled} sampled, {recaptured} recaptured do not fit")
    if recaptured < MIN_RECAPTURED:
        return UNKNOWN
    population = max(chapman(marked, sampled, recaptured), found)
    low, high = (max(bound, found) for bound in population_interval(marked, sampled, recaptured))
    # A zone this well covered has its point estimate, biased a little by Chapman's correction, inside its interval.
    population = min(max(population, low), high)
    return Completeness(population, found / population, found / high, found / low)


def chapman(marked: int, sampled: int, recaptured: int) -> float:
    """Return Chapman's estimate of the population."""
    return (marked + 1) * (sampled + 1) / (recaptured + 1) - 1


def population_interval(marked: int, sampled: int, recaptured: int, z: float = _Z) -> tuple[float, float]:
    """Return the populations between which the chi-square of the 2 x 2 table stays within z**2; needs recaptured > 0.

    With U unknown before the crawl and u of them sampled, chi-square = N (m2 U - m1 u)**2 / (m1 U n2 (N - n2)),
    N = m1 + U: zero at the Petersen estimate m1 u / m2, rising on both sides of it.
    """
    new = sampled - recaptured

    def excess(unknown: float) -> float:
        population = marked + unknown
        table = (recaptured * unknown - marked * new) ** 2 * population
        return table - z * z * marked * unknown * sampled * (population - sampled)

    middle = marked * new / recaptured
    low = _root(excess, middle, float(new)) if new and excess(new) > 0 else float(new)
    far = max(2 * middle, 1.0)
    while excess(far) <= 0:
        far *= 2
    return marked + low, marked + _root(excess, middle, far)


def _root(function: Callable[[float], float], inside: float, outside: float) -> float:
    """Return where `function` crosses zero between a point where it is not above it and one where it is."""
    for _ in range(200):
        between = (inside + outside) / 2
        if between in (inside, outside):
            break
        if function(between) > 0:
            outside = between
        else:
            inside = between
    return outside
