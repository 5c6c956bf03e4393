"""Running one command: what it was told, what it came to, and nothing that looks like a crash."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence

from pyramid_webhooks.scripts.arguments import parse_arguments
from pyramid_webhooks.scripts.outcome import (
    INTERRUPTED,
    NOTHING,
    UNREAD,
    UNUSABLE,
    CommandError,
)


def run(arguments: Sequence[str]) -> int:
    """Run ``pwebhooks`` with these arguments, and return the exit code."""
    try:
        options = parse_arguments(arguments)
    except SystemExit as end:  # argparse has said what there is to say.
        return end.code if isinstance(end.code, int) else UNUSABLE
    _let_everything_be_written()
    try:
        code = options.run(options)
        sys.stdout.flush()
        return code
    except CommandError as error:
        if options.traceback:
            traceback.print_exc()
        return _complain(str(error), error.code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _write_no_more()
        return UNREAD
    except Exception as error:
        if options.traceback:
            raise
        said = f'{type(error).__name__}: {error}'.rstrip(': ')
        return _complain(f'{said} (--traceback shows where.)', NOTHING)


def _complain(sentence: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        print(f'pwebhooks: {sentence}', file=sys.stderr)
    return code


def _let_everything_be_written() -> None:
    """Let what the terminal has no characters for be written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors='backslashreplace')


def _write_no_more() -> None:
    """Keep the interpreter from complaining, at its end, of what it could not write."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
