"""``pwebhooks worker``: a process of its own that sends, over ZEO."""

import signal
import subprocess
import sys

import pytest

from pyramid_webhooks import subscribe
from pyramid_webhooks.outbox.root import outbox_of
from tests.scripts.conftest import ENVIRONMENT, ROOT
from tests.scripts.site import write_ini


@pytest.fixture
def ini(shared, tmp_path):
    return write_ini(tmp_path / 'site.ini', zodbconn__uri=shared, webhooks__delivery='worker')


def statuses(web, path='/'):
    return [each[0] for each in web.attempts(path)]


def owners(web):
    """(number of processes that send, owners of the partitions)"""

    def look(root):
        root._p_jar.sync()
        outbox = outbox_of(root._p_jar)
        return len(outbox.processes), {each.owner for each in outbox.partitions}

    return web.transact(look)


@pytest.mark.parametrize(
    'shared, kind, number',
    [
        ('zeo', (), signal.SIGTERM),
        ('zeo', (), signal.SIGINT),
        ('zeo', ('--gevent',), signal.SIGTERM),
        ('postgresql', (), signal.SIGTERM),
        ('postgresql', ('--gevent',), signal.SIGTERM),
    ],
    indirect=['shared'],
)
def test_what_is_in_flight_is_finished_and_recorded_before_a_worker_ends(
    web, ini, run, receiver, kind, number
):
    receiver.answer(delay=1)
    web.subscribe('/', receiver.url)
    web.add('/NWS/OUN', 'ann')
    assert statuses(web) == ['pending']
    worker = run(ini, 'worker', *kind)
    receiver.wait_for(1, 30)
    worker.signal(number)
    assert worker.wait() == 0
    assert statuses(web) == ['successful']
    assert len(receiver.requests) == 1
    assert owners(web) == (0, {None})
    assert 'Traceback' not in '\n'.join(worker.stderr.read)


def test_a_worker_says_what_it_does_when_the_file_does_not_say_what_is_logged(web, ini, run):
    worker = run(ini, 'worker', '--concurrency', '7')
    assert 'up to 7 requests at once in threads' in worker.stderr.until('sends')
    worker.stderr.until('Sending to 64 of the 64 partitions.')
    worker.signal()
    worker.stderr.until('has ended')
    assert worker.wait() == 0


def test_the_web_process_alone_sends_nothing_and_the_worker_sends_what_comes_later(
    web, ini, run, receiver
):
    web.subscribe('/', receiver.url)
    worker = run(ini, 'worker')
    worker.stderr.until('Sending to 64')
    web.add('/NWS/OUN', 'ann')
    receiver.wait_for(1)
    web.settle()
    worker.signal()
    assert worker.wait() == 0
    web.add('/NWS/OUN', 'ben')
    assert statuses(web) == ['successful', 'pending']


@pytest.mark.parametrize('kind', [(), ('--gevent',)], ids=['threads', 'greenlets'])
def test_a_second_signal_ends_a_worker_at_once(web, ini, run, receiver, kind):
    receiver.answer(delay=30)
    web.subscribe('/', receiver.url)
    web.add('/NWS/OUN', 'ann')
    worker = run(ini, 'worker', *kind)
    receiver.wait_for(1, 30)
    worker.signal()
    worker.stderr.until('a second signal ends it at once')
    worker.signal()
    assert worker.wait(5) == 128 + signal.SIGTERM
    assert statuses(web) == ['pending']


@pytest.mark.long
def test_one_worker_has_many_slow_requests_open_in_greenlets(web, ini, run, receiver):
    count = 300
    receiver.answer(delay=2)

    def subscribe_all(context, request):
        for number in range(count):
            subscribe(context, receiver.url_for(f'{number}'), events=['employee.*'])

    web.request(subscribe_all)
    worker = run(ini, 'worker', '--gevent', '--concurrency', str(2 * count))
    worker.stderr.until('Sending to 64')
    web.add('/NWS/OUN', 'ann')
    requests = receiver.wait_for(count, 40)
    assert max(each.time for each in requests) - min(each.time for each in requests) < 2
    worker.signal()
    assert worker.wait() == 0
    assert statuses(web) == ['successful'] * count


def test_gevent_patches_before_what_it_patches_is_imported():
    program = (
        'import sys\n'
        'from gevent import monkey\n'
        'original = monkey.patch_all\n'
        'def patch_all():\n'
        '    print(sorted({"ZODB", "pyramid", "requests", "transaction"} & set(sys.modules)))\n'
        '    original()\n'
        'monkey.patch_all = patch_all\n'
        'from pyramid_webhooks.scripts.entry import main\n'
        'code = main(["nowhere.ini", "worker", "--gevent"])\n'
        'print(code, monkey.is_module_patched("threading"), "ZODB" in sys.modules)\n'
    )
    finished = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert finished.stdout.splitlines() == ['[]', '2 True True'], finished.stderr
    assert "no configuration file 'nowhere.ini'" in finished.stderr


def test_a_worker_whose_database_is_not_there_says_so_without_a_traceback(tmp_path, run):
    ini = write_ini(tmp_path / 'site.ini', zodbconn__uri='zeo://127.0.0.1:9?wait_timeout=1')
    worker = run(ini, 'worker')
    assert worker.wait() == 2
    worker.stderr.until('could not be made')
    assert 'Traceback' not in '\n'.join(worker.stderr.read)


def test_a_worker_without_a_database_has_nothing_to_do(tmp_path, run):
    ini = tmp_path / 'bare.ini'
    ini.write_text('[app:main]\nuse = call:tests.scripts.site:without_database\n')
    worker = run(str(ini), 'worker')
    assert worker.wait() == 2
    worker.stderr.until('has no database')
