"""What must add up in a run of the attach benchmark, and the figures made of its counts."""

from __future__ import annotations

from typing import Any

from bench.attach.runs import Load

#: Counts of the targets that must be 0.
NEVER = (
    "refused",
    "malformed",
    "unknown_target",
    "wrong_id",
    "wrong_source",
    "shared_pair",
    "outside_plan",
    "answer_wrong_id",
    "answer_wrong_source",
    "answer_unasked",
    "strange_answers",
    "failed",
)


def check(system: str, load: Load, got: dict[str, Any]) -> list[str]:
    """Return what does not add up."""
    held, targets = got["monitors"], got["targets"]
    problems = [f"{targets[name]} x {name}" for name in NEVER if targets[name]]
    if targets["introduced"] != load.monitors:
        problems.append(f"{targets['introduced']} of {load.monitors} targets were introduced to")
    lost = targets["dropped"]
    for sent, received in (("introductions", "find_node"), ("keep_alives", "ping")):
        _compare(problems, sent, held["fleet"].get(sent, 0), targets[received], lost)
    losses = dict(held.get("losses", {}))
    other = losses.pop("monitor_stranger_other", 0)
    lookups = targets["lookups_asked"] + targets["strange_lookups"]
    lost = held["endpoint"].get("kernel_drops", 0) if system == "montra" else 0
    if system == "montra":
        _compare(problems, "lookups stored", lookups, held["captures"], lost)
        _compare(problems, "attachments", load.monitors, held["attachments"], 0)
        _compare(problems, "a stranger's pings", targets["strange"] - targets["strange_lookups"], other, lost)
        problems += [f"on the ledger: {n} x {name}" for name, n in losses.items()]
        if held["states"]["visible"] != load.monitors:
            problems.append(f"monitors at the end: {held['states']}")
    return [f"{system}, {load.monitors} monitors: {problem}" for problem in problems]


def _compare(problems: list[str], name: str, one: int, other: int, lost: int) -> None:
    if not one - lost <= other <= one:
        problems.append(f"{name}: {one} and {other}, {lost} dropped")


def figures(load: Load, got: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a run, units in their names."""
    held, targets = got["monitors"], got["targets"]
    found = {
        "memory for each monitor (bytes)": held["grown"] / load.monitors,
        "resident while holding (MiB)": held["rss"] / 2**20,
        "peak resident, sealing included (MiB)": held["peak"] / 2**20,
        "peak resident of the targets (MiB)": targets["rss"] / 2**20,
        "attached a second": load.monitors / held["attach_s"],
        "CPU to attach one (us)": held["attach_cpu_s"] / load.monitors * 1e6,
        "CPU share while holding (%)": 100 * held["steady_cpu_s"] / held["steady_s"],
        "CPU for each monitor and second (us)": held["steady_cpu_s"] / held["steady_s"] / load.monitors * 1e6,
        "waited for a CPU that others had, attaching (%)": 100 * held["attach_waited_s"] / held["attach_s"],
        "waited for a CPU that others had, holding (%)": 100 * held["steady_waited_s"] / held["steady_s"],
        "keep-alives sent": held["fleet"].get("keep_alives", 0),
        "keep-alive late, p99.9 (s)": held["late_p999_s"],
        "keep-alive late, most (s)": held["late_max_s"],
        "interval seen by targets, p99.9 (s)": targets["interval_p999_s"],
        "interval seen by targets, most (s)": targets["interval_max_s"],
        "targets that waited too long": targets["overdue"] + targets["intervals_over"],
        "own target's queries answered (%)": 100 * targets["answered"] / max(1, targets["asked"]),
        "answered within, p50 (ms)": targets["answer_p50_ms"],
        "answered within, p99.9 (ms)": targets["answer_p999_ms"],
        "strangers answered": targets["strange_answers"],
    }
    for name in ("late_p50_s", "late_p99_s"):
        if name in held:
            found[f"keep-alive late, {name[5:-2]} (s)"] = held[name]
    return found
