import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from pyramid_webhooks.delivery.signing import signature_headers
from pyramid_webhooks.resources.secrets import new_secret, read_secret


def test_the_example_of_the_specification_comes_out():
    headers = signature_headers(
        'msg_p5jXN8AQM9LWM0D4loKWxJek',
        1614265330,
        b'{"test": 2432232314}',
        [read_secret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')],
    )
    assert headers == {
        'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        'webhook-timestamp': '1614265330',
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }


@given(st.text())
def test_the_public_library_verifies_any_text(text):
    secret = new_secret()
    headers = signature_headers('msg_1', int(time.time()), text.encode(), [read_secret(secret)])
    Webhook(secret).verify(text, headers, json_parse=False)


def test_while_rotating_either_secret_verifies_and_no_other():
    old, new = new_secret(), new_secret()
    headers = signature_headers('msg_1', int(time.time()), b'{}', map(read_secret, (new, old)))
    for secret in (old, new):
        assert Webhook(secret).verify(b'{}', headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(b'{}', headers)


@pytest.mark.parametrize('change', ['id', 'timestamp', 'body'])
def test_the_signature_covers_id_timestamp_and_body(change):
    secret, now = new_secret(), int(time.time())
    headers = signature_headers('msg_1', now, b'{}', [read_secret(secret)])
    if change == 'id':
        headers['webhook-id'] = 'msg_2'
    if change == 'timestamp':
        headers['webhook-timestamp'] = str(now + 1)
    body = b'{ }' if change == 'body' else b'{}'
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_without_a_secret_there_is_no_signature():
    assert signature_headers('msg_1', 5, b'', []) == {
        'webhook-id': 'msg_1',
        'webhook-timestamp': '5',
    }
