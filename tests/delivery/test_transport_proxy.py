"""The transport through a proxy that speaks CONNECT."""

import base64
import contextlib
import socket
import threading

import pytest
import requests

from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.interfaces import DestinationRefused
from pyramid_webhooks.testing import Receiver
from tests.delivery.hostile_server import HostileServer
from tests.delivery.sending import LOOPBACK, prepared, resolver


class Proxy(HostileServer):
    """Opens a way to wherever it is told, and remembers what it was told."""

    def __init__(self):
        super().__init__(self._forward)
        self.heads = []

    def _forward(self, connection, server):
        head = self.read_request(connection)
        self.heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(':')
        with socket.create_connection((host.strip('[]'), int(port)), timeout=5) as onward:
            connection.sendall(b'HTTP/1.1 200 Connection established\r\n\r\n')
            back = threading.Thread(target=self._copy, args=(onward, connection), daemon=True)
            back.start()
            self._copy(connection, onward)
            back.join(timeout=5)

    def _copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy():
    with Proxy() as proxy:
        yield proxy


@pytest.mark.parametrize('tls', [False, True])
def test_requests_go_through_the_proxy_to_the_address_that_was_judged(proxy, adapters, tls):
    with Receiver(tls=tls) as receiver:
        adapter = adapters(proxy=proxy.url, ca_bundle=receiver.ca_bundle)
        url = receiver.url.replace('127.0.0.1', 'localhost')
        for _ in range(2):
            assert adapter.send(prepared(url)).status_code == 200
        place = f'127.0.0.1:{receiver.port}'.encode()
        assert proxy.heads == [b'CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n' % (place, place)]
        assert receiver.requests[0].headers['Host'] == f'localhost:{receiver.port}'
        adapter.close()


def test_the_proxy_gets_its_credentials_and_the_receiver_does_not(proxy, adapters):
    with Receiver() as receiver:
        url = proxy.url.replace('http://', 'http://us%40er:pass@')
        adapter = adapters(proxy=url)
        adapter.send(prepared(receiver.url))
        credentials = base64.b64encode(b'us@er:pass')
        assert b'Proxy-Authorization: Basic ' + credentials in proxy.heads[0]
        assert not any('authorization' in name.lower() for name in receiver.requests[0].headers)
        adapter.close()


def test_a_forbidden_address_is_refused_before_the_proxy_hears_of_it(proxy, adapters):
    look_up, _ = resolver('10.0.0.1')
    with pytest.raises(DestinationRefused, match='private'):
        adapters(proxy=proxy.url, resolver=look_up).send(prepared('https://evil.example/'))
    assert proxy.connections == 0


def test_the_next_address_is_tried_when_the_proxy_gives_no_way_to_one(adapters):
    class WithoutIPv6(Proxy):
        def _forward(self, connection, server):
            if self.connections == 1:
                self.heads.append(self.read_request(connection))
                connection.sendall(b'HTTP/1.1 502 No route\r\nContent-Length: 0\r\n\r\n')
            else:
                super()._forward(connection, server)

    look_up, _ = resolver('::1', '127.0.0.1')
    with WithoutIPv6() as proxy, Receiver() as receiver:
        adapter = adapters(proxy=proxy.url, resolver=look_up)
        adapter.send(prepared(f'http://two.example:{receiver.port}/'))
        assert [head.split()[1] for head in proxy.heads] == [
            b'[::1]:%d' % receiver.port,
            b'127.0.0.1:%d' % receiver.port,
        ]
        adapter.close()


@pytest.mark.parametrize(
    ('answer', 'reason'),
    [
        (b'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', 'it answered 407 Proxy Auth'),
        (b'HTTP/1.1 502 \r\nContent-Length: 999\r\n\r\n', 'it answered 502'),
        (b'SSH-2.0\r\n', "it gave no valid answer, it begins with 'SSH-2.0'"),
        (b'', 'it gave no valid answer'),
    ],
)
def test_a_proxy_that_gives_no_way_is_a_clear_failure(adapters, answer, reason):
    def script(connection, server):
        server.read_request(connection)
        connection.sendall(answer)

    with HostileServer(script) as server:
        with pytest.raises(requests.exceptions.ConnectionError, match=reason) as caught:
            adapters(proxy=server.url).send(prepared('https://127.0.0.1:9/'))
        assert str(caught.value).startswith('The proxy gave no way to 127.0.0.1:9: ')


def test_a_proxy_that_is_not_there_is_a_clear_failure(adapters):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(requests.exceptions.ConnectionError, match='it cannot be reached'):
        adapters(proxy=f'http://127.0.0.1:{port}').send(prepared('https://127.0.0.1:9/'))


def test_a_proxy_that_stalls_ends_in_time(adapters):
    with HostileServer(lambda connection, server: server.stopping.wait(10)) as server:
        with pytest.raises(requests.exceptions.ConnectTimeout):
            adapters(proxy=server.url, connect_timeout=0.1).send(prepared('https://127.0.0.1:9/'))


@pytest.mark.parametrize(
    'url', ['proxy:3128', 'https://proxy/', 'http://', 'http://p:x/', 'ftp://p']
)
def test_a_proxy_url_that_is_none_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match='is not a URL such as'):
        WebhookAdapter(LOOPBACK, proxy=url)
