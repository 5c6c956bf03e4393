"""Running a program on a real application and on the model, and comparing what arrives."""

import contextlib
import tempfile
from pathlib import Path

import transaction
from pyramid.response import Response
from pyramid.traversal import find_resource
from zope.lifecycleevent import IObjectMovedEvent

from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.testing import Receiver
from pyramid_webhooks.testing.certificates import make_certificates
from tests.company import Company, Deliberate, IEmployee, IPromoted
from tests.functional import owing
from tests.functional.acting import Actor, IBoss, Office

SETTINGS = {
    'webhooks.concurrency_per_subscription': '1',
    'webhooks.dialect': 'standard',
    'webhooks.precondition_limit': '10000',
    'webhooks.rest': 'false',
}
#: Where there is one, a file system in memory: nothing here is about disks.
FAST = '/dev/shm' if Path('/dev/shm').is_dir() else None
#: Actions that stop deliveries.
STOPPING = {'deactivate', 'unsubscribe', 'leave', 'remove_folder'}


@contextlib.contextmanager
def comparing():
    """Yield a callable (program, coalesce) that returns what arrives otherwise than it should.

    Every program has an application and a database of its own; the receiver is one for all.
    """
    with tempfile.TemporaryDirectory(dir=FAST) as name, Receiver() as receiver:
        folder = Path(name)
        # One authority to trust is read in no time, as those of the system are not.
        make_certificates(folder)
        settings = {**SETTINGS, 'webhooks.ca_bundle': str(folder / 'ca.pem')}

        def compare(program, coalesce=True):
            settings['webhooks.coalesce'] = str(coalesce).lower()
            with tempfile.TemporaryDirectory(dir=folder) as place:
                receiver.clear()
                comparison = Comparison(Path(place), receiver, settings, coalesce)
                with contextlib.closing(comparison):
                    return comparison.run(program)

        yield compare


class Comparison:
    """One application with a database of its own, and the model of it.

    :param folder: for the database.
    :param receiver: gets everything; a subscription's label is the path of its URL.
    """

    def __init__(self, folder, receiver, settings, coalesce):
        self._receiver = receiver
        self._company = Company(folder, settings=settings, setup=self._configure)
        self._company.start()
        self._company.transact(self._furnish)
        self._model = owing.Model(coalesce)
        self._model.committed.subscriptions['global'] = owing.Subscription(None, ['*'], None)
        self._actor = Actor(self._model, receiver.url_for)

    def _configure(self, config):
        config.add_webhook_event('employee.moved', IEmployee, IObjectMovedEvent)
        config.add_webhook_event('employee.promoted', IEmployee, IPromoted)
        config.add_webhook_event('boss.moved', IBoss, IObjectMovedEvent)
        config.add_webhook_subscription(
            self._receiver.url_for('global'), name='global', events='*'
        )

    @staticmethod
    def _furnish(root):
        del root['NWS']
        root['NWS'] = Office(['head'])
        root['NWS']['OUN'] = Office(['manager'])
        root['NWS']['NCA'] = Office(['other_manager'])

    def close(self):
        """Stop the application."""
        self._company.stop(timeout=5)

    def run(self, program):
        """Run the steps, let everything arrive, and return the differences, as sentences."""
        for kind, *arguments in program:
            getattr(self, f'_{kind}')(*arguments)
        self._resume()
        self._company.settle()
        return [*self._compare_arrivals(), *self._compare_attempts()]

    # -- steps

    @property
    def _engine(self):
        return self._company.registry.getUtility(IDeliveryEngine)

    def _pause(self):
        if self._model.running:
            self._company.settle()
            self._engine.stop()
            self._model.running = False

    def _resume(self):
        self._engine.start()
        self._model.running = True
        self._model.flow()

    def _restart(self):
        self._company.restart()
        self._model.running = True
        self._model.flow()

    def _transaction(self, where, context, actions, end):
        self._model.begin()
        if where == 'request':
            folders = self._model.state.reachable_folders()
            self._in_request(folders[context % len(folders)], actions, end)
        else:
            self._in_script(actions, end)
        if end == 'commit':
            self._model.commit()

    def _in_request(self, folder, actions, end):
        def do(context, request):
            root, notify = find_resource(context, '/'), request.registry.notify
            self._actor.perform(actions, root, notify, folder, request)
            self._prepare(actions, end)
            if end == 'abort':
                raise Deliberate
            return Response('no', status=409) if end == 'veto' else 'done'

        response = self._company.request(do, self._model.state.path(folder), status='*')
        assert response == 'done' if end == 'commit' else response.status_code in (409, 500)

    def _in_script(self, actions, end):
        manager = transaction.TransactionManager()
        connection = self._company.database.open(manager)
        try:
            notify = self._company.registry.notify
            self._actor.perform(actions, connection.root()['company'], notify)
            self._prepare(actions, end)
            if end == 'commit':
                manager.commit()
        finally:
            manager.abort()
            connection.close()

    def _prepare(self, actions, end):
        if end == 'commit' and self._model.running and STOPPING & {name for name, *_ in actions}:
            # What this stops may be under way still; then either would be right.
            self._company.settle()

    # -- comparing

    def _compare_arrivals(self):
        real = {}
        for request in self._receiver.requests:
            content = request.json()
            real.setdefault(request.path.strip('/'), []).append((content['type'], content['data']))
        expected = {label: each for label, each in self._model.arrived.items() if each}
        for label in sorted({*real, *expected}):
            yield from compare(label, expected.get(label, []), real.get(label, []))

    def _compare_attempts(self):
        state = self._model.committed
        for label in state.reachable_subscriptions():
            folder = state.path(state.subscriptions[label].folder)
            attempts = self._company.attempts(folder, self._actor.ids[label])
            real = [status for status, *_ in attempts]
            expected = ['successful'] * len(self._model.arrived.get(label, ()))
            expected += ['pending'] * len(self._model.owed.get(label, ()))
            if real != expected:
                yield f'{label}: the attempts are {real}, not {expected}'


def compare(label, expected, real):
    """Yield what is different, as sentences."""
    left, placed = list(expected), []
    for content in real:
        found = next((each for each in left if each.content == content), None)
        if found is None:
            yield f'{label}: {content} arrived, and is not owed'
            return
        left.remove(found)
        placed.append(found)
    for each in left:
        yield f'{label}: {each.content} is owed, and did not arrive'
    for number, later in enumerate(placed):
        for earlier in placed[:number]:
            if not later.may_follow(earlier):
                yield f'{label}: {later.content} arrived after {earlier.content}'
