"""Verdicts divided: by the requester's client, by the target's, by any other label; and each miss by its cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from montra.validation.comparison import Cause, Group
from montra.validation.judge import Verdict
from montra.validation.misses import MEANING, Miss
from montra.validation.truth import TruthNode
from montra.validation.wilson import wilson

#: What a requester or target is called that the truth does not name.
_UNNAMED = "unknown"


def groups(verdicts: Iterable[Verdict]) -> list[Group]:
    """Return the results by each division that the truth tells of, in order of name."""
    members: defaultdict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        for division in _divisions(verdict):
            members[division].append(verdict)
    return [_group(by, name, members[by, name]) for by, name in sorted(members)]


def causes(verdicts: Iterable[Verdict]) -> list[Cause]:
    """Return the causes of all misses: of capture, observed and inferred destination, the commonest first in each."""
    # what: (misses by cause and client, lookups that could have been missed)
    missed: dict[str, dict[Miss, Counter[str]]] = {what: {} for what in ("capture", "destination", "inferred")}
    tried = captured = 0
    for verdict in verdicts:
        tried += 1
        captured += verdict.found is not None
        client = verdict.lookup.requester.client or _UNNAMED
        for what, miss in zip(missed, (verdict.capture, verdict.observed, verdict.inferred), strict=True):
            if miss is not None:
                missed[what].setdefault(miss, Counter())[client] += 1
    found = []
    for what, by_cause in missed.items():
        trials = tried if what == "capture" else captured
        counts = {miss: by_client.total() for miss, by_client in by_cause.items()}
        total = sum(counts.values())
        for miss, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
            clients = dict(sorted(by_cause[miss].items()))
            found.append(Cause(what, miss.value, count, count / total, count / trials, MEANING[miss], clients))
    return found


def _divisions(verdict: Verdict) -> Iterator[tuple[str, str]]:
    for role, node in (("requester", verdict.lookup.requester), ("target", verdict.destination)):
        for label, value in _labels(node):
            yield f"{role}'s {label}", value


def _labels(node: TruthNode) -> Iterator[tuple[str, str]]:
    if node.client:
        yield "client", node.client
    yield from node.labels.items()


def _group(by: str, name: str, verdicts: list[Verdict]) -> Group:
    captured = [verdict for verdict in verdicts if verdict.found is not None]
    return Group(
        by,
        name,
        wilson(len(captured), len(verdicts)),
        wilson(sum(verdict.observed is None for verdict in captured), len(captured)),
        wilson(sum(verdict.inferred is None for verdict in captured), len(captured)),
    )
