"""An outcome as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from bench.common.outcome import Curve, Outcome, Summary

_NAME, _CELL = 26, 30


def lines(outcome: Outcome) -> Iterator[str]:
    """Yield the table of an outcome: medians (smallest - largest), ratios, curves, goals, problems."""
    for name, value in outcome.machine.items():
        yield f"{name:12} {value}"
    yield f"{'settings':12} " + ", ".join(f"{name} {value}" for name, value in outcome.settings.items())
    yield f"{'rounds':12} {len(outcome.rounds)}, medians (smallest - largest)"
    for name in dict.fromkeys(name for found in outcome.figures.values() for name in found):
        yield ""
        yield name
        for system, found in outcome.figures.items():
            if name in found:
                yield f"  {system:{_NAME}}{spread(found[name]):>{_CELL}}"
    if outcome.ratios:
        yield ""
        yield "ratios, formed in each round"
        for name, value in outcome.ratios.items():
            yield f"  {name:{2 * _NAME}}{spread(value):>{_CELL}}"
    for curve in outcome.curves:
        yield ""
        yield from _curve(curve)
    yield ""
    for goal in outcome.goals:
        yield f"{'reached' if goal.met else 'MISSED':8} {goal.name}: {goal.measured}; aimed at {goal.wanted}"
    for problem in outcome.problems:
        yield f"PROBLEM  {problem}"
    for note in outcome.notes:
        yield f"note     {note}"


def spread(value: Summary) -> str:
    """Return median (smallest - largest) with four significant digits."""
    return f"{_number(value.median)} ({_number(value.least)} - {_number(value.most)})"


def _curve(curve: Curve) -> Iterator[str]:
    yield f"{curve.name}: {curve.cost_name} against {curve.size_name}"
    for size, cost in zip(curve.sizes, curve.costs, strict=True):
        yield f"  {size:>16,.0f}{_number(cost):>16}"
    verdict = "no faster than n log n" if curve.grows_as_wanted else "FASTER than n log n"
    yield f"  grows as (n log n)^{curve.exponent:.2f}: {verdict}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
