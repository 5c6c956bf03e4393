"""The yardstick of deliveries: the bare transport, which sends the same and records nothing."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

import requests
from requests.structures import CaseInsensitiveDict

from benchmarks.receiver import ReceiverProcess
from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.settings import parse_settings

#: What one employee is as JSON: about 120 bytes.
BODY = (
    b'{"id":"employee-0001","name":"Ann Example","title":"Office manager",'
    b'"office":"/NWS/OUN","email":"ann@example.com","n":1}'
)


HEADERS = {
    'Content-Type': 'application/json',
    'User-Agent': 'pyramid_webhooks',
    'webhook-id': 'msg_01m80faztxrmvqds6k405tq63a',
    'webhook-timestamp': '1795312418',
    'webhook-signature': 'v1,XmMzpzTP7ALgO1ritbxzNrrJhpH2plXBIQu/vqyyZmI=',
}


def bare_request(url: str, body: bytes = BODY) -> requests.PreparedRequest:
    """A request like those that webhooks make."""
    request = requests.PreparedRequest()
    request.method = 'POST'
    request.url = url
    request.body = body
    request.headers = CaseInsensitiveDict(HEADERS)
    return request


def adapter_for(receiver: ReceiverProcess) -> WebhookAdapter:
    """The transport as an application would have it."""
    settings = parse_settings(
        {'webhooks.allowed_networks': '127.0.0.0/8', 'webhooks.ca_bundle': receiver.ca_bundle}
    )
    return WebhookAdapter(
        DestinationPolicy(settings.allow_http, settings.allowed_networks, None),
        ca_bundle=settings.ca_bundle,
    )


def bare_rate(
    receiver: ReceiverProcess, threads: int, requests_each: int, body: bytes = BODY
) -> float:
    """Requests/s of the transport alone, from so many threads over kept-alive connections."""
    adapter = adapter_for(receiver)
    url = receiver.url_for('/bare')

    def send(count: int) -> None:
        for _ in range(count):
            response = adapter.send(bare_request(url, body))
            assert response.status_code == 200, response

    try:
        in_threads(threads, lambda: send(1))
        seconds = in_threads(threads, lambda: send(requests_each))
    finally:
        adapter.close()
    return threads * requests_each / seconds


def session_rate(receiver: ReceiverProcess, count: int) -> float:
    """Requests/s of ``requests.Session.post``, from one thread over a kept-alive connection."""
    url = receiver.url_for('/session')
    with requests.Session() as session:
        session.trust_env = False
        session.verify = receiver.ca_bundle
        session.post(url, BODY, headers=HEADERS)
        started = time.perf_counter()
        for _ in range(count):
            response = session.post(url, BODY, headers=HEADERS)
            assert response.status_code == 200, response
        return count / (time.perf_counter() - started)


def in_threads(threads: int, work: Callable[[], None]) -> float:
    """Do ``work`` in so many threads at once; the seconds from the first to the last.

    :raises Exception: what the work raised.
    """
    barrier = threading.Barrier(threads + 1)
    errors: list[BaseException] = []

    def run() -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    if errors:
        raise errors[0]
    return seconds


def receiver_rate(receiver: ReceiverProcess, count: int, at_once: int = 32) -> float:
    """Requests/s that the receiver answers when many come in one write: what it can do at most."""
    head = ''.join(f'{name}: {value}\r\n' for name, value in HEADERS.items())
    message = (
        f'POST /capacity HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(BODY)}\r\n\r\n'
    ).encode() + BODY
    context = ssl.create_default_context(cafile=receiver.ca_bundle)
    with (
        socket.create_connection(('127.0.0.1', receiver.port)) as plain,
        context.wrap_socket(plain, server_hostname='127.0.0.1') as connection,
    ):
        connection.sendall(message)
        answer = b''
        while not answer.endswith(b'\r\n\r\nok'):
            answer += _received(connection)
        started = time.perf_counter()
        for _ in range(count // at_once):
            connection.sendall(message * at_once)
            missing = at_once * len(answer)
            while missing:
                missing -= len(_received(connection))
        return count // at_once * at_once / (time.perf_counter() - started)


def _received(connection: ssl.SSLSocket) -> bytes:
    data = connection.recv(65536)
    assert data, 'The receiver closed the connection.'
    return data
