"""The transport under a fork and under gevent, each in a process of its own."""

import subprocess
import sys

import pytest

from pyramid_webhooks.testing import Receiver

FORK = """
import os, sys
from pyramid_webhooks.delivery.transport import WebhookAdapter
from tests.delivery.sending import LOOPBACK, prepared

url, ca_bundle = sys.argv[1:]
adapter = WebhookAdapter(LOOPBACK, ca_bundle=ca_bundle)

def send(body):
    assert adapter.send(prepared(url, body)).status_code == 200

send(b'parent 1')
# Held as by a thread that the child does not have.
lock = adapter._own.pool._lock
lock.acquire()
child = os.fork()
if child == 0:
    try:
        send(b'child 1')
        send(b'child 2')
        os._exit(0)
    finally:
        os._exit(1)
lock.release()
assert os.waitpid(child, 0)[1] == 0
send(b'parent 2')
adapter.close()
"""

GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import ssl, sys, time
import gevent
import requests
from pyramid_webhooks.delivery.exchange import perform
from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.testing import Receiver
from tests.delivery.hostile_server import HostileServer, ServerTls
from tests.delivery.sending import LOOPBACK, prepared

with Receiver(tls=True) as receiver:
    adapter = WebhookAdapter(LOOPBACK, ca_bundle=receiver.ca_bundle, timeout=20)
    url = receiver.url.replace('127.0.0.1', 'localhost')
    receiver.answer(delay=0.5)
    started = time.monotonic()
    jobs = [gevent.spawn(perform, adapter, prepared(url), 20) for _ in range(20)]
    gevent.joinall(jobs, raise_error=True)
    assert [job.value.message for job in jobs] == ['200 OK'] * 20
    assert time.monotonic() - started < 5, 'greenlets wait for one another'
    receiver.answer()
    for _ in range(20):
        assert perform(adapter, prepared(url), 20).succeeded
    assert receiver.connections == 20
    adapter.close()

    context = receiver._context

    def drip_handshake(connection, server):
        ServerTls(connection, context).handshake(lambda data: server.drip(connection, data))

    def drip_record(connection, server):
        tls = ServerTls(connection, context)
        tls.handshake()
        tls.read()
        server.drip(connection, tls.encrypted(b'HTTP/1.1 200 OK' + b'x' * 5000))

    for script in (drip_handshake, drip_record):
        with HostileServer(script) as server:
            started = time.monotonic()
            outcome = perform(adapter, prepared(server.tls_url), 0.5)
            assert 'seconds' in outcome.message, outcome
            assert 0.4 < time.monotonic() - started < 2, outcome
"""


def run(script, *arguments):
    command = [sys.executable, '-W', 'error::ResourceWarning', '-c', script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ''


def test_after_a_fork_parent_and_child_share_no_connection():
    with Receiver(tls=True) as receiver:
        run(FORK, receiver.url, receiver.ca_bundle)
        connection_of = {request.body: request.connection for request in receiver.requests}
    assert connection_of[b'child 1'] == connection_of[b'child 2'] == 2
    assert connection_of[b'parent 1'] == connection_of[b'parent 2'] == 1


def test_under_gevent_it_runs_as_greenlets_and_keeps_its_time():
    pytest.importorskip('gevent')
    run(GEVENT)
