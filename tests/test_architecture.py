"""The directions of imports, as ARCHITECTURE.md states them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("montra", "crawler", "zone_store", "analysis")

#: For each room: the rooms it may import. Longest matching prefix decides.
ALLOWED: dict[str, tuple[str, ...]] = {
    "zone_store": ("zone_store",),
    "crawler": ("crawler", "zone_store"),
    "analysis": ("analysis", "zone_store"),
    "montra": (),
    "montra.datagrams": (),
    "montra.overlays": ("montra.overlays", "montra.datagrams", "zone_store"),
    "montra.monitors": ("montra.monitors", "montra.overlays", "montra.datagrams", "zone_store"),
    "montra.canaries": ("montra.canaries", "montra.overlays", "montra.datagrams", "zone_store"),
    "montra.endpoint": ("montra.endpoint", "montra.datagrams", "montra.monitors.pool", "zone_store.keyspace"),
    "montra.window": (
        "montra",
        "crawler",
        "zone_store",
        "analysis",
    ),
    "montra.processes": (
        "montra",
        "crawler",
        "zone_store",
    ),
    "montra.validation": ("montra.validation", "analysis", "montra.lab", "montra.datagrams", "zone_store"),
    "montra.validation.estimators": ("montra.validation", "analysis", "crawler.completeness", "zone_store"),
    "montra.lab": ("montra.lab", "montra.overlays", "montra.datagrams", "zone_store"),
    "montra.simulator": ("montra", "crawler", "zone_store", "analysis"),
    "montra.cli": ("montra", "crawler", "zone_store", "analysis"),
}
#: Rooms the window must not reach up to.
FORBIDDEN = {
    "montra.window": ("montra.cli", "montra.processes", "montra.endpoint.driver"),
    "montra.processes": ("montra.cli", "montra.endpoint.driver", "montra.endpoint.pipe"),
    "montra.validation": ("montra.cli",),
    "montra.simulator": ("montra.cli", "montra.processes", "montra.endpoint.driver"),
}
GEVENT_ROOMS = ("montra.endpoint", "montra.cli")


def modules() -> Iterator[tuple[str, Path]]:
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_imports_run_one_way(name: str, path: Path) -> None:
    room = max((room for room in ALLOWED if within(name, room)), key=len)
    for target in imported(path):
        if within(target, "gevent"):
            assert any(within(name, room) for room in GEVENT_ROOMS), f"{name} must not know gevent"
        if not any(within(target, ours) for ours in OURS):
            continue
        assert any(within(target, allowed) for allowed in ALLOWED[room]), f"{name} must not import {target}"
        assert not any(within(target, bad) for bad in FORBIDDEN.get(room, ())), f"{name} must not import {target}"


def test_no_file_of_ours_is_a_hall() -> None:
    for _, path in modules():
        assert len(path.read_text().splitlines()) <= 400, f"{path} is longer than 400 lines"
