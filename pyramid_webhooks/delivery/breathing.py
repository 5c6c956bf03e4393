"""Letting other threads have the interpreter, in the middle of work that needs nothing else."""

from __future__ import annotations

import time

_STEPS = 10
_WAY_SECONDS = 0.0005


def breathe(step: int) -> None:
    """Every few steps, let a thread go on that waits for the interpreter.

    One that commits does so again and again, and a thread that computes keeps it for
    :func:`sys.getswitchinterval` each time.
    """
    if not step % _STEPS:
        time.sleep(0)


def give_way() -> None:
    """Let a thread that was just given something to send begin with it undisturbed."""
    time.sleep(_WAY_SECONDS)
