"""A process that kills itself at a chosen moment, without a last word."""

import functools
import itertools
import os
import signal

from ZODB.Connection import Connection

from pyramid_webhooks.delivery.lanes import Lanes

#: Of whose commits: the application's own, and those of the engine, by their notes.
COMMITS = {
    'application': b'',
    'results': b'webhooks: results',
    'schedule': b'webhooks: schedule',
    'sign of life': b'webhooks: sign of life',
}
#: What is done in a commit, in order.
STEPS = ('commit', 'tpc_vote', 'tpc_finish')
#: ``results.before tpc_vote``, say; or when a delivery was taken to be sent, or answered. How many
#: times at most a process that lives for a moment may be expected to be there.
MOMENTS = {
    f'{whose}.{when}': times
    for whose, times in (('application', 30), ('results', 4), ('schedule', 3), ('sign of life', 1))
    for when in (*(f'before {step}' for step in STEPS), 'after tpc_finish')
} | {'delivery.taken': 30, 'delivery.answered': 30}


def end_at(moment, times):
    """Kill this process when it is at ``moment`` for the ``times``-th time."""
    visits = itertools.count(1)

    def visit():
        if next(visits) == times:
            os.kill(os.getpid(), signal.SIGKILL)

    whose, _, where = moment.partition('.')
    if where == 'taken':
        _wrap(Lanes, 'take', after=lambda arguments, job: job is not None and visit())
    elif where == 'answered':
        _wrap(Lanes, 'finish', before=lambda arguments: visit())
    else:
        when, _, step = where.partition(' ')
        note = COMMITS[whose]

        def check(arguments, answer=None):
            if _note(arguments[1]) == note:
                visit()

        _wrap(Connection, step, **{when: check})


def _note(txn):
    text = txn.description
    return text if isinstance(text, bytes) else text.encode()


def _wrap(owner, name, before=None, after=None):
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapper(*arguments):
        if before is not None:
            before(arguments)
        answer = function(*arguments)
        if after is not None:
            after(arguments, answer)
        return answer

    setattr(owner, name, wrapper)
