"""The C programs of the benchmarks: load generators and the counting loop. The package itself needs no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class BenchError(Exception):
    """The benchmark cannot run here, or a process of it failed; one clear line."""


def find_compiler() -> str:
    """Return the system's C compiler; raises BenchError if there is none."""
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError("no C compiler found (cc, gcc, clang or $CC): the load generators need one")
    return compiler


def compile_program(source: Path, folder: Path) -> Path:
    """Compile one C file into `folder`; returns the program's path. Raises BenchError."""
    program = folder / source.stem
    command = [find_compiler(), "-O2", "-std=gnu11", "-Wall", "-o", str(program), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"cannot compile {source.name}: {done.stderr.strip()}")
    return program


def cpus() -> tuple[int, int]:
    """Return the CPU of the load and the CPU of what is measured; (-1, -1) when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[-1]) if len(usable) > 1 else (-1, -1)
