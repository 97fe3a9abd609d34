"""What a verb says, and how it ends, when its lab fails, its settings are wrong or somebody stops it."""

import os
import signal
import time

import click
import pytest

from montra.cli.common import Exit
from montra.cli.lab_errors import lab_errors, orderly_end, usage_errors
from montra.lab.settings import LabError
from montra.validation.truth import TruthError


@pytest.mark.parametrize("error", [LabError("the network has not converged"), TruthError("lab.jsonl has no end")])
def test_what_a_lab_lacks_is_said_in_a_line(error: Exception) -> None:
    with pytest.raises(click.ClickException, match=str(error)) as raised, lab_errors("lab"):
        raise error
    assert raised.value.exit_code == Exit.ERROR


def test_a_package_that_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(click.ClickException, match=r"libtorrent is not installed.*montra\[lab\]"), lab_errors("lab"):
        raise ImportError(name="libtorrent")


@pytest.mark.parametrize("error", [ValueError("nodes must be at least 2"), LabError("loss is a probability")])
def test_settings_that_cannot_be_are_a_mistake_of_usage(error: Exception) -> None:
    with pytest.raises(click.UsageError, match=str(error)) as raised, usage_errors():
        raise error
    assert raised.value.exit_code == Exit.USAGE


def test_sigterm_ends_a_verb_as_ctrl_c_does_and_is_itself_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def stopped() -> None:
        with lab_errors("lab"), orderly_end():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)
            finally:
                cleaned.append(True)

    with pytest.raises(SystemExit) as raised:
        stopped()
    assert raised.value.code == Exit.INTERRUPTED
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) is before
