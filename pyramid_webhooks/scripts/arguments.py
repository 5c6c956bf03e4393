"""The command line."""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any

from pyramid_webhooks.parsing import parse_duration
from pyramid_webhooks.scripts import (
    explaining,
    listening,
    looking,
    resending,
    statistics,
    trying,
    worker,
)

_SUBSCRIPTION = 'id of the subscription, or its path: /FOLDER/__webhooks__/ID'
_EPILOG = """\
exit codes: 0 done; 1 not found, nothing done, or nobody would get the event; 2 the command line
or the configuration can't be used; 130 interrupted; 141 nobody reads the output
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; ``run`` of the result is the function that does what it says.

    :raises SystemExit: when argparse has answered it.
    """
    parser = argparse.ArgumentParser(
        prog='pwebhooks',
        description='Looks at the webhooks of a Pyramid application, and sends them.',
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument('config', metavar='CONFIG.ini', help='configuration of the application')
    parser.add_argument(
        '--traceback', action='store_true', help='show where an error comes from as well'
    )
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    for add in _COMMANDS:
        add(commands)
    return parser.parse_args(arguments)


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    json: bool = True,
) -> argparse.ArgumentParser:
    description = help[0].upper() + help[1:] + '.'
    parser = commands.add_parser(name, help=help, description=description, allow_abbrev=False)
    parser.set_defaults(run=run)
    if json:
        parser.add_argument('--json', action='store_true', help='write JSON, for programs')
    return parser


def _list(commands: Any) -> None:
    parser = _command(commands, 'list', looking.list_subscriptions, 'list subscriptions')
    parser.add_argument(
        'path', nargs='?', metavar='PATH', help='only those of this folder; else all there are'
    )
    parser.add_argument('--owner', help='only those of this userid')
    parser.add_argument('--event', help='only those that get events of this type')
    activity = parser.add_mutually_exclusive_group()
    activity.add_argument('--active', action='store_true', default=None, help='only active ones')
    activity.add_argument(
        '--inactive', action='store_false', dest='active', help='only those that get nothing now'
    )
    _paging(parser, 'subscription')


def _show(commands: Any) -> None:
    parser = _command(
        commands, 'show', looking.show, 'show all there is to know of a subscription or an attempt'
    )
    parser.add_argument('subscription', metavar='SUBSCRIPTION', help=_SUBSCRIPTION)
    parser.add_argument('attempt', nargs='?', metavar='ATTEMPT', help='id of one of its attempts')


def _attempts(commands: Any) -> None:
    parser = _command(
        commands, 'attempts', looking.list_attempts, 'list the attempts of a subscription'
    )
    parser.add_argument('subscription', metavar='SUBSCRIPTION', help=_SUBSCRIPTION)
    parser.add_argument('--status', choices=('pending', 'successful', 'failed'))
    parser.add_argument('--event', help='only those of this event type')
    _paging(parser, 'attempt')


def _retry(commands: Any) -> None:
    parser = _command(
        commands, 'retry', resending.retry, 'send again what attempts have sent, or were to send'
    )
    parser.add_argument('subscription', metavar='SUBSCRIPTION', help=_SUBSCRIPTION)
    parser.add_argument('attempts', nargs='*', metavar='ATTEMPT', help='ids of its attempts')
    parser.add_argument(
        '--failed', action='store_true', help='every message whose last attempt failed'
    )
    parser.add_argument('--event', help='with --failed: only those of this event type')
    parser.add_argument(
        '--since', type=_time, metavar='TIME', help='with --failed: only what failed since then'
    )


def _recover(commands: Any) -> None:
    parser = _command(
        commands, 'recover', trying.recover, 'send again, in order, all that failed since a time'
    )
    parser.add_argument('subscription', metavar='SUBSCRIPTION', help=_SUBSCRIPTION)
    parser.add_argument(
        '--since',
        type=_time,
        required=True,
        metavar='TIME',
        help='such as 2030-01-31T12:00:00Z, or how long ago: 2h',
    )
    parser.add_argument(
        '--wait', action='store_true', help='until all were tried again, and show how far it is'
    )


def _ping(commands: Any) -> None:
    parser = _command(
        commands, 'ping', trying.ping, 'send a webhook.ping, and say what came of it'
    )
    parser.add_argument('subscription', metavar='SUBSCRIPTION', help=_SUBSCRIPTION)
    parser.add_argument(
        '--no-wait', action='store_false', dest='wait', help='do not wait for the answer'
    )


def _explain(commands: Any) -> None:
    parser = _command(
        commands, 'explain', explaining.explain, 'say who would get an event, and why not'
    )
    parser.add_argument('path', metavar='PATH', help='the resource that it would happen to')
    parser.add_argument('event', metavar='EVENT', help='name of an event type')


def _stats(commands: Any) -> None:
    parser = _command(
        commands,
        'stats',
        statistics.show_statistics,
        'show what is owed and who sends it, or how one subscription does',
    )
    parser.add_argument('subscription', nargs='?', metavar='SUBSCRIPTION', help=_SUBSCRIPTION)


def _worker(commands: Any) -> None:
    parser = _command(
        commands, 'worker', worker.work, 'send what is owed, until SIGTERM or SIGINT', json=False
    )
    parser.add_argument(
        '--concurrency',
        type=_count,
        metavar='N',
        help='requests open at once; by default the setting webhooks.concurrency',
    )
    parser.add_argument(
        '--gevent',
        action='store_true',
        help='greenlets instead of threads, for many slow requests',
    )


def _listen(commands: Any) -> None:
    parser = _command(
        commands, 'listen', listening.listen, 'receive webhooks, print and verify them'
    )
    parser.add_argument('--host', default='127.0.0.1', help='address to listen on')
    parser.add_argument('--port', type=_port, default=0, help='port; a free one by default')
    parser.add_argument(
        '--secret',
        action='append',
        default=[],
        help='signing secret; the environment may have it as PWEBHOOKS_SECRET instead',
    )
    parser.add_argument(
        '--tls', action='store_true', help='https, with a certificate made on the spot'
    )
    parser.add_argument(
        '--answer', type=_status, default=200, metavar='STATUS', help='answer with this status'
    )
    parser.add_argument(
        '--delay', type=_seconds, default=0.0, metavar='TIME', help='before each answer (2s)'
    )
    parser.add_argument('--count', type=_count, metavar='N', help='end after so many')


#: In the order of the help.
_COMMANDS = (
    _list,
    _show,
    _attempts,
    _retry,
    _recover,
    _explain,
    _ping,
    _stats,
    _worker,
    _listen,
)


def _paging(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument('--limit', type=_count, default=250, help='show so many (250)')
    parser.add_argument('--after', metavar='ID', help=f'begin after this {what}')


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 1 to 1000000')
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'{text!r} is not a port from 0 to 65535')
    return int(text)


def _status(text: str) -> int:
    if not re.fullmatch('[2-5][0-9][0-9]', text):
        raise argparse.ArgumentTypeError(f'{text!r} is not a status from 200 to 599')
    return int(text)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} {error}') from None


def _time(text: str) -> datetime.datetime:
    """An ISO 8601 time, UTC without an offset; or how long ago, such as ``2h``."""
    if re.fullmatch(r'[0-9.]+ *(ms|s|m|h|d)', text):
        return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=_seconds(text))
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is neither a time such as 2030-01-31T12:00:00Z nor one ago such as 2h'
        ) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)
