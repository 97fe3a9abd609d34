"""Orders over a pipe."""

import os
import time
from collections.abc import Iterator

import pytest

from montra.lab.control import Control


@pytest.fixture
def pipe() -> Iterator[tuple[int, list[int]]]:
    read, write = os.pipe()
    writers = [write]
    yield read, writers
    for fd in (read, *writers):
        os.close(fd)


def test_orders_arrive_whole_and_in_parts(pipe: tuple[int, list[int]]) -> None:
    read, (write,) = pipe
    control = Control(read)
    assert control.attended
    os.write(write, b"nonsense\ng")
    control.wait(1.0)
    assert not control.going
    os.write(write, b"o\nst")
    control.wait(1.0)
    assert control.going
    assert not control.stopping
    os.write(write, b"op\r\n")
    control.wait(1.0)
    assert control.stopping
    assert not control.closed


def test_notices_that_the_parent_is_gone(pipe: tuple[int, list[int]]) -> None:
    read, writers = pipe
    control = Control(read)
    os.close(writers.pop())
    control.wait(1.0)
    assert control.closed
    assert not control.attended
    begin = time.monotonic()
    control.wait(0.02)
    assert time.monotonic() - begin >= 0.02


def test_waits_when_nothing_is_said(pipe: tuple[int, list[int]]) -> None:
    control = Control(pipe[0])
    begin = time.monotonic()
    control.wait(0.02)
    assert time.monotonic() - begin >= 0.019


def test_nobody_to_listen_to() -> None:
    control = Control(None)
    control.wait(0.0)
    assert not control.attended
    assert not control.closed
