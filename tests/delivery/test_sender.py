"""From a prepared job to its outcome."""

import dataclasses
import time

import pytest
import requests
from pyramid.config import Configurator

from pyramid_webhooks.delivery.jobs import Job, Outgoing, Prepared
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.sender import Sender, SenderThreads
from pyramid_webhooks.delivery.transport import make_transport
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import IDestinationPolicy, ISettings
from pyramid_webhooks.resources.redaction import REDACTED
from pyramid_webhooks.resources.secrets import new_secret, read_secret
from tests.signatures import verifies


class Wrapping(Dialect):
    """Wraps the data when it is sent."""

    content_type = 'application/wrapped+json'

    def body(self, outgoing):
        return b'{"id":"%s","data":%s}' % (outgoing.id.encode(), outgoing.data)

    def headers(self, outgoing):
        return {'X-Event': outgoing.event}


class Preparing(Dialect):
    """Prepares a request with the public face of requests."""

    def prepare(self, outgoing, body):
        request = requests.Request(
            'PUT', outgoing.target, data=body, auth=('user', 'pw'), headers={'X-A': '1'}
        )
        return request.prepare()


class Bytes(Dialect):
    """Has headers that are bytes, as requests lets one have them."""

    def prepare(self, outgoing, body):
        headers = {'X-A': b'1', 'X-Api-Key': b'hush hush'}
        request = requests.Request('POST', outgoing.target, data=body, headers=headers).prepare()
        request.headers[b'X-B'] = '2'
        return request


class Pairs(Dialect):
    """Has headers that are no mapping."""

    def headers(self, outgoing):
        return [('X-A', '1'), ('content-type', 'text/plain')]


class Raising(Dialect):
    """Can't make a body."""

    def body(self, outgoing):
        raise LookupError('no body today')


class Texting(Dialect):
    """Makes text where bytes are wanted."""

    def body(self, outgoing):
        return 'text'


@pytest.fixture
def send(receiver):
    """Send something in a dialect, and return the job."""
    config = Configurator(
        settings={
            'webhooks.allow_http': 'true',
            'webhooks.allowed_networks': '127.0.0.0/8',
            'webhooks.max_payload': '1KB',
        }
    )
    config.include('pyramid_webhooks')
    for dialect in (Wrapping, Preparing, Bytes, Pairs, Raising, Texting):
        config.add_webhook_dialect(dialect.__name__.lower(), dialect)
    config.commit()
    registry = config.registry
    settings = registry.getUtility(ISettings)
    adapter = make_transport(settings, registry.getUtility(IDestinationPolicy))
    sender = Sender(registry, settings, adapter, lambda job: job.number == 1)

    def send(dialect='', data=b'{}', headers=(), secrets=(), problem=None, to=None, number=1):
        outgoing = Outgoing('msg_1', 'a.b', 1.0, to or receiver.url, 'sub_1', data)
        job = Job('', ('', b'1' * 8), b'm', number=number, created=0.0, due=0.0)
        job.prepared = Prepared(
            outgoing,
            dialect,
            dict(headers),
            tuple((read_secret(each), ends) for each, ends in dict(secrets).items()),
            problem,
        )
        sender.send(job)
        return job

    yield send
    adapter.close()


def test_the_default_is_a_post_of_the_data_as_json(send, receiver):
    job = send(data=b'{"a":1}')
    (request,) = receiver.requests
    assert (request.method, request.body) == ('POST', b'{"a":1}')
    assert request.headers['Content-Type'] == 'application/json'
    assert request.headers['User-Agent'].startswith('pyramid_webhooks')
    assert job.outcome.succeeded and job.outcome.message == '200 OK'
    assert job.sent.body is None, 'the data are kept once, with the message'
    assert job.resolved_at > 0


def test_what_is_not_its_own_any_more_is_not_sent_on_a_kept_connection_either(send, receiver):
    assert send().outcome.succeeded
    job = send(number=2)
    assert job.outcome is job.sent is None
    assert len(receiver.requests) == 1


def test_a_dialect_may_wrap_the_data_and_add_headers(send, receiver):
    job = send('wrapping', b'[1]')
    (request,) = receiver.requests
    assert request.body == b'{"id":"msg_1","data":[1]}' == job.sent.body
    assert request.headers['X-Event'] == 'a.b'
    assert request.headers['Content-Type'] == 'application/wrapped+json'


def test_a_dialect_may_prepare_the_whole_request(send, receiver):
    send('preparing', headers={'X-B': '2'}, secrets={new_secret(): None})
    (request,) = receiver.requests
    assert request.method == 'PUT'
    assert request.headers['Authorization'].startswith('Basic ')
    assert (request.headers['X-A'], request.headers['X-B']) == ('1', '2')
    assert request.headers['webhook-id'] == 'msg_1'
    assert request.headers['webhook-signature'].startswith('v1,')


def test_headers_that_are_bytes_are_recorded_as_text(send, receiver):
    receiver.answer(headers={'X-Echo': 'got hush hush'})
    job = send('bytes')
    (request,) = receiver.requests
    assert (request.headers['X-A'], request.headers['X-B']) == ('1', '2')
    sent = dict(job.sent.headers)
    assert (sent['X-A'], sent['X-B'], sent['X-Api-Key']) == ('1', '2', REDACTED)
    assert ('X-Echo', f'got {REDACTED}') in job.outcome.headers


def test_the_headers_of_a_dialect_may_be_pairs(send, receiver):
    send('pairs', headers={'X-A': '2'})
    (request,) = receiver.requests
    assert (request.headers['X-A'], request.headers['Content-Type']) == ('2', 'text/plain')


@pytest.mark.parametrize(
    'options, message',
    [
        ({'dialect': 'raising'}, 'no body today'),
        ({'dialect': 'texting'}, 'made no bytes'),
        ({'dialect': 'gone'}, "no dialect 'gone' any more"),
        ({'data': b'x' * 2000}, 'webhooks.max_payload'),
        ({'problem': 'There is no payload.'}, 'There is no payload.'),
        ({'headers': {'X-Bad': 'a\r\nb'}}, 'X-Bad'),
    ],
)
def test_what_can_never_be_sent_is_a_permanent_failure(send, receiver, options, message):
    job = send(**options)
    assert receiver.requests == []
    assert not job.outcome.succeeded and job.outcome.permanent
    assert message in ' '.join((job.outcome.message, *job.outcome.exceptions))


def test_a_body_that_is_too_large_is_not_kept(send):
    job = send('wrapping', b'x' * 2000)
    assert job.sent.body == b''


def test_a_receiver_that_is_down_is_a_failure_that_may_pass(send, receiver):
    receiver.stop()
    job = send()
    assert not job.outcome.permanent and job.outcome.status is None
    assert job.sent.url == receiver.url


def test_whether_a_secret_has_ended_is_judged_when_the_request_is_sent(send, receiver):
    now = time.time()
    ended, present, ending = (new_secret() for _ in range(3))
    send(secrets={present: None, ended: now - 0.01, ending: now + 60})
    (request,) = receiver.requests
    assert verifies(present, request) and verifies(ending, request)
    assert not verifies(ended, request)


def test_secrets_are_in_no_repr(send):
    secret = new_secret()
    job = send(secrets={secret: None})
    assert secret not in repr(job.prepared)
    assert secret not in repr(dataclasses.asdict(job.prepared)['outgoing'])


def test_senders_are_started_a_few_at_a_time_where_that_takes_long(monkeypatch):
    lanes = Lanes(8, 8)
    threads = SenderThreads(lanes, None, 8, None)
    monkeypatch.setattr('pyramid_webhooks.delivery.sender._START_SECONDS', -1)
    for count in (1, 2):
        threads.want(8)
        assert len(threads._threads) == count
    monkeypatch.setattr('pyramid_webhooks.delivery.sender._START_SECONDS', 60)
    threads.want(20)
    assert len(threads._threads) == 8
    lanes.close()
    assert threads.join(10)
