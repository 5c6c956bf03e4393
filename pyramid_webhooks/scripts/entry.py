"""Where ``pwebhooks`` begins: nothing that gevent would have to patch is imported here."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    :param argv: what follows the name of the command; by default this process's.
    :returns: the exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if '--gevent' in arguments:
        try:
            from gevent import monkey
        except ImportError:
            print('pwebhooks: --gevent needs gevent, which is not installed.', file=sys.stderr)
            return 2
        monkey.patch_all()
    from pyramid_webhooks.scripts.command import run

    return run(arguments)
