"""The transport against a real receiver, over real sockets."""

import datetime
import gzip
import socket
import ssl

import pytest
import requests
from zope.interface.verify import verifyObject

from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.delivery.request_head import UnsendableRequest
from pyramid_webhooks.delivery.transport import NotSent, WebhookAdapter, make_transport
from pyramid_webhooks.interfaces import DestinationRefused, ITransportFactory
from pyramid_webhooks.settings import parse_settings
from pyramid_webhooks.testing import Receiver
from tests.delivery.sending import LOOPBACK, prepared, resolver


def test_a_request_arrives_as_it_was_made_and_nothing_is_added_but_framing(adapter, receiver):
    request = prepared(
        receiver.url_for('/hook?a=b'), b'\x00\xff', {'X-Text': 'é', 'X-Bytes': b'\xe9 b'}, 'PUT'
    )
    adapter.send(request)
    [received] = receiver.requests
    assert (received.method, received.path) == ('PUT', '/hook?a=b')
    assert received.body == b'\x00\xff'
    assert dict(received.headers) == {
        'Host': f'127.0.0.1:{receiver.port}',
        'X-Text': 'é',
        'X-Bytes': 'é b',
        'Accept-Encoding': 'identity',
        'Content-Length': '2',
    }


def test_the_answer_is_a_response_of_requests(adapter, receiver):
    receiver.answer(
        201, {'X-A': '1', 'x-a': '2', 'Content-Type': 'text/plain; charset=utf-8'}, 'ö'
    )
    request = prepared(receiver.url)
    response = adapter.send(request)
    assert isinstance(response, requests.Response)
    assert (response.status_code, response.reason, response.text) == (201, 'Created', 'ö')
    assert response.headers['X-a'] == '1, 2'
    assert ('x-a', '2') in response.header_items
    assert response.url == receiver.url
    assert response.request is request
    assert response.truncated is False
    assert datetime.timedelta(0) < response.elapsed < datetime.timedelta(seconds=5)
    assert response.ok


def test_a_request_sent_by_a_session_of_requests_is_taken(adapter, receiver, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', '/nowhere.pem')
    with requests.Session() as session:
        session.mount('http://', adapter)
        receiver.answer(headers={'Set-Cookie': 'a=b'})
        for _ in range(2):
            assert session.post(receiver.url, json={'a': 1}, auth=('u', 'p')).status_code == 200
        assert not session.cookies
    assert [request.json() for request in receiver.requests] == [{'a': 1}] * 2
    assert receiver.requests[0].headers['Authorization'].startswith('Basic ')
    assert receiver.requests[0].headers['Accept-Encoding'] == 'identity'
    assert 'Cookie' not in receiver.requests[1].headers


@pytest.mark.parametrize('body', [None, 'später', bytearray(b'abc'), b''])
def test_a_body_may_be_text_or_nothing(adapter, receiver, body):
    adapter.send(prepared(receiver.url, body))
    expected = body.encode() if isinstance(body, str) else bytes(body or b'')
    assert receiver.requests[0].body == expected


def test_a_large_body_arrives_whole(adapter, receiver):
    body = bytes(range(256)) * 4096
    adapter.send(prepared(receiver.url, body))
    assert receiver.requests[0].body == body


# --- nothing but one request ---------------------------------------------------------------


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(adapter, receiver, status):
    with Receiver() as elsewhere:
        receiver.answer(status, {'Location': elsewhere.url})
        response = adapter.send(prepared(receiver.url))
        assert response.status_code == status
        assert elsewhere.connections == 0


def test_proxies_and_netrc_of_the_environment_are_ignored(
    adapter, receiver, monkeypatch, tmp_path
):
    netrc = tmp_path / 'netrc'
    netrc.write_text('machine 127.0.0.1 login a password b\n')
    monkeypatch.setenv('NETRC', str(netrc))
    with Receiver() as proxy:
        for name in ('http_proxy', 'HTTP_PROXY', 'ALL_PROXY'):
            monkeypatch.setenv(name, proxy.url)
        adapter.send(prepared(receiver.url), proxies={'http': proxy.url})
        assert proxy.connections == 0
    assert 'Authorization' not in receiver.requests[0].headers


def test_content_that_is_compressed_unasked_is_unpacked_to_the_limit(adapters, receiver):
    adapter = adapters(max_response=1000)
    receiver.answer(headers={'Content-Encoding': 'gzip'}, body=gzip.compress(b'0' * 1000))
    response = adapter.send(prepared(receiver.url))
    assert (response.content, response.truncated) == (b'0' * 1000, False)
    receiver.answer(headers={'Content-Encoding': 'gzip'}, body=gzip.compress(b'0' * 100_000))
    response = adapter.send(prepared(receiver.url))
    assert (response.content, response.truncated) == (b'0' * 1000, True)
    assert receiver.connections == 1


def test_content_beyond_the_limit_is_cut_and_flagged_and_the_connection_dropped(
    adapters, receiver
):
    adapter = adapters(max_response=1000)
    receiver.answer(body='x' * 1000)
    response = adapter.send(prepared(receiver.url))
    assert (len(response.content), response.truncated) == (1000, False)
    receiver.answer(body='y' * 1001)
    response = adapter.send(prepared(receiver.url))
    assert (response.content, response.truncated) == (b'y' * 1000, True)
    assert receiver.connections == 1
    adapter.send(prepared(receiver.url))
    assert receiver.connections == 2


# --- where it may go -----------------------------------------------------------------------


def test_a_url_that_the_policy_refuses_is_not_connected_to(adapters, receiver):
    with pytest.raises(DestinationRefused, match='only "https"'):
        adapters(DestinationPolicy()).send(prepared(receiver.url))
    with pytest.raises(DestinationRefused, match='loopback'):
        adapters(DestinationPolicy(allow_http=True)).send(prepared(receiver.url))
    assert receiver.connections == 0


def test_a_name_that_leads_to_a_forbidden_address_is_not_connected_to(adapters, receiver):
    look_up, _ = resolver('127.0.0.1')
    policy = DestinationPolicy(allow_http=True, allowed_ports=[receiver.port])
    with pytest.raises(
        DestinationRefused, match=r'127\.0\.0\.1, which the host "evil\.example" leads to'
    ):
        adapters(policy, resolver=look_up).send(prepared(f'http://evil.example:{receiver.port}/'))
    assert receiver.connections == 0


def test_the_address_connected_to_is_the_one_that_was_judged(adapters, receiver):
    """A name that answers differently the second time has no second time."""
    answers = [['127.0.0.1'], ['10.255.255.1']]
    judged = []

    class Policy(DestinationPolicy):
        def check_address(self, address, port, host):
            judged.append((address, port, host))
            super().check_address(address, port, host)

    def rebinding(host, port, type):
        return [(socket.AF_INET, type, 6, '', (answers.pop(0)[0], 1))]

    policy = Policy(allow_http=True, allowed_networks=['127.0.0.0/8'])
    adapter = adapters(policy, resolver=rebinding)
    adapter.send(prepared(f'http://rebind.example:{receiver.port}/'))
    assert len(receiver.requests) == 1
    assert judged == [('127.0.0.1', receiver.port, 'rebind.example')]
    assert answers == [['10.255.255.1']]
    adapter.close()
    with pytest.raises(DestinationRefused, match='private'):
        adapter.send(prepared(f'http://rebind.example:{receiver.port}/'))


def test_of_several_addresses_only_allowed_ones_are_tried(adapters, receiver):
    look_up, asked = resolver('10.255.255.1', '::ffff:127.0.0.1', '127.0.0.1')
    adapters(resolver=look_up).send(prepared(f'http://mixed.example:{receiver.port}/'))
    assert asked == ['mixed.example']
    assert receiver.requests[0].headers['Host'] == f'mixed.example:{receiver.port}'


def test_the_next_address_is_tried_when_one_refuses(adapters, receiver):
    look_up, _ = resolver('127.0.0.2', '127.0.0.1')
    response = adapters(resolver=look_up).send(prepared(f'http://two.example:{receiver.port}/'))
    assert response.status_code == 200


def test_a_literal_address_is_not_looked_up(adapters, receiver):
    look_up, asked = resolver()
    adapters(resolver=look_up).send(prepared(f'http://127.1:{receiver.port}/'))
    assert asked == []


def test_a_name_is_looked_up_by_the_system(adapter, receiver):
    adapter.send(prepared(f'http://localhost:{receiver.port}/'))
    assert len(receiver.requests) == 1


@pytest.mark.skipif(not socket.has_ipv6, reason='needs IPv6')
def test_ipv6_works(adapter):
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip('needs IPv6 on the loopback interface')
    with Receiver(host='::1') as receiver:
        adapter.send(prepared(receiver.url))
        assert receiver.requests[0].headers['Host'] == f'[::1]:{receiver.port}'


# --- TLS -----------------------------------------------------------------------------------


def test_the_certificate_is_verified_by_name_and_the_name_is_sent(adapters):
    with Receiver(tls=True) as receiver:
        names = []
        receiver._context.sni_callback = lambda sock, name, context: names.append(name)
        look_up, _ = resolver('127.0.0.1')
        adapter = adapters(ca_bundle=receiver.ca_bundle, resolver=look_up)
        adapter.send(prepared(f'https://LocalHost.:{receiver.port}/'))
        with pytest.raises(
            requests.exceptions.SSLError,
            match=r'certificate of other\.example:\d+ was not accepted: Hostname mismatch',
        ):
            adapter.send(prepared(f'https://other.example:{receiver.port}/'))
        assert names == ['localhost', 'other.example']
        assert len(receiver.requests) == 1


def test_an_authority_that_is_not_trusted_is_refused(adapter):
    with Receiver(tls=True) as receiver:
        with pytest.raises(requests.exceptions.SSLError, match='unable to get local issuer'):
            adapter.send(prepared(receiver.url))
        assert receiver.requests == []


def test_tls_with_a_server_that_speaks_none_is_a_clear_failure(adapter, receiver):
    with pytest.raises(requests.exceptions.SSLError, match='TLS with 127.0.0.1'):
        adapter.send(prepared(receiver.url.replace('http', 'https')))


def test_old_tls_is_refused(adapters):
    with Receiver(tls=True) as receiver:
        receiver._context.minimum_version = ssl.TLSVersion.TLSv1_2
        receiver._context.maximum_version = ssl.TLSVersion.TLSv1_2
        adapter = adapters(ca_bundle=receiver.ca_bundle)
        assert adapter.send(prepared(receiver.url)).status_code == 200
        assert adapter._connector._context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_ca_bundle_that_cannot_be_read_is_a_clear_error(tmp_path):
    path = tmp_path / 'ca.pem'
    with pytest.raises(ValueError, match=r'cannot be read from ".*ca\.pem"'):
        WebhookAdapter(LOOPBACK, ca_bundle=str(path))
    path.write_text('not a certificate')
    with pytest.raises(ValueError, match=r'cannot be read from ".*ca\.pem"'):
        WebhookAdapter(LOOPBACK, ca_bundle=str(path))


@pytest.mark.parametrize('options', [{'verify': False}, {'verify': None}, {'cert': 'x'}])
def test_certificates_cannot_be_left_unverified(adapter, receiver, options):
    with pytest.raises(ValueError, match='verified certificates'):
        adapter.send(prepared(receiver.url), **options)
    assert receiver.connections == 0


# --- what cannot be sent -------------------------------------------------------------------


@pytest.mark.parametrize(
    ('headers', 'reason'),
    [
        ({'X-A': 'secret\r\nX-B: c'}, 'header "X-A" cannot be sent: its value has a line break'),
        ({'X-A': 'secret\nX-B: c'}, 'line break'),
        ({'X-A': 'secret\x00'}, 'control character'),
        ({'X-A': b'secret\r\n'}, 'line break'),
        ({'X-A': 'secret\u20ac'}, 'outside Latin-1'),
        ({'X-A': 5}, 'is not a text'),
        ({'X-A\r\nX-B': 'c'}, 'is not a token'),
        ({'X A': 'c'}, 'is not a token'),
        ({'': 'c'}, 'is not a token'),
        ({'Schlüssel': 'c'}, 'is not a token'),
        ({'Host': 'other.example'}, 'for the transport to set'),
        ({'transfer-encoding': 'chunked'}, 'for the transport to set'),
        ({'Connection': 'upgrade'}, 'for the transport to set'),
    ],
)
def test_a_header_that_cannot_be_sent_is_named_before_anything_is_sent(
    adapter, receiver, headers, reason
):
    with pytest.raises(UnsendableRequest, match=reason) as caught:
        adapter.send(prepared(receiver.url, headers=headers))
    assert 'secret' not in str(caught.value)
    assert receiver.connections == 0


@pytest.mark.parametrize('method', ['GET / HTTP/1.1\r\nX: y', '', None, 'P T'])
def test_a_method_that_is_none_is_refused(adapter, receiver, method):
    with pytest.raises(UnsendableRequest, match='is not one of HTTP'):
        adapter.send(prepared(receiver.url, method=method))
    assert receiver.connections == 0


def test_a_body_that_is_no_bytes_is_refused(adapter, receiver):
    with pytest.raises(UnsendableRequest, match='The body is a list_iterator'):
        adapter.send(prepared(receiver.url, iter([b'a'])))
    assert receiver.connections == 0


def test_a_wrong_length_of_the_caller_is_put_right(adapter, receiver):
    adapter.send(prepared(receiver.url, b'abc', {'content-length': '1', 'Connection': 'close'}))
    assert receiver.requests[0].body == b'abc'


def test_the_time_may_be_given_per_request(adapter, receiver):
    receiver.answer(delay=5)
    for timeout in (0.1, (5, 0.1)):
        with pytest.raises(requests.ReadTimeout, match='not complete within 0.1 seconds'):
            adapter.send(prepared(receiver.url), timeout=timeout)


def test_the_settings_describe_the_transport(tmp_path):
    with Receiver(tls=True) as receiver:
        settings = parse_settings(
            {
                'webhooks.timeout': '0.2s',
                'webhooks.max_response': '10',
                'webhooks.ca_bundle': receiver.ca_bundle,
            }
        )
        adapter = make_transport(settings, LOOPBACK)
        assert verifyObject(ITransportFactory, make_transport)
        receiver.answer(body='x' * 11)
        assert adapter.send(prepared(receiver.url)).content == b'x' * 10
        receiver.answer(delay=5)
        with pytest.raises(requests.ReadTimeout, match='within 0.2 seconds'):
            adapter.send(prepared(receiver.url))
        adapter.close()


def test_what_is_not_to_be_sent_any_more_once_there_is_a_connection_is_not(adapters, receiver):
    adapter = adapters()
    with pytest.raises(NotSent):
        adapter.exchange(prepared(receiver.url), may_send=lambda: False)
    assert receiver.requests == []
