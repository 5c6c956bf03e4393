"""Receivers: what is at the other end of the company's webhooks.

They share a process with the company so that one command starts everything, and nothing else: no
database, no transaction, no sign-in. A receiver exists as soon as something is posted to it.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import hmac
import re
import threading
import time

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPRequestEntityTooLarge
from pyramid.response import Response

PREFIX = 'demo.receiver.'
KEPT_ARRIVALS = 200
KEPT_RECEIVERS = 50
LARGEST_BODY = 1024 * 1024
SHOWN_BODY = 16 * 1024
CLOCK_TOLERANCE = 300
ANSWERS = (200, 404, 410, 429, 500, 503)


class Inbox:
    """What arrived last at all the receivers together, and how each of them is to answer."""

    def __init__(self):
        self._lock = threading.Lock()
        self._arrivals = collections.deque(maxlen=KEPT_ARRIVALS)
        self._last_number = 0
        self._answers = collections.OrderedDict()
        self._secrets = collections.OrderedDict()

    def add(self, arrival: dict) -> None:
        """Keep ``arrival``, and number it."""
        with self._lock:
            self._last_number += 1
            self._arrivals.append({**arrival, 'number': self._last_number})

    def after(self, number: int) -> list[dict]:
        """What arrived since ``number``, oldest first; all of it if that was in another life."""
        with self._lock:
            if number > self._last_number:
                number = 0
            return [arrival for arrival in self._arrivals if arrival['number'] > number]

    def answers(self) -> dict[str, int]:
        """The status each receiver was told to answer with, by name."""
        with self._lock:
            return dict(self._answers)

    def set_answer(self, name: str, status: int) -> None:
        """Let the receiver answer with ``status`` from now on."""
        with self._lock:
            self._keep(self._answers, name, status)

    def secrets(self, name: str) -> tuple[str, ...]:
        """The signing secrets that the receiver was given."""
        with self._lock:
            return self._secrets.get(name, ())

    def add_secret(self, name: str, secret: str) -> None:
        """Let the receiver accept what is signed with ``secret``, too."""
        with self._lock:
            kept = [known for known in self._secrets.get(name, ()) if known != secret]
            self._keep(self._secrets, name, (*kept[-9:], secret))

    @staticmethod
    def _keep(mapping, name, value):
        mapping[name] = value
        mapping.move_to_end(name)
        if len(mapping) > KEPT_RECEIVERS:
            mapping.popitem(last=False)


def check_signature(secrets, headers, body: bytes) -> str:
    """Judge a request by the rules of Standard Webhooks 1.0.

    :return: ``valid``, ``wrong``, ``unsigned``, or ``unchecked`` for want of a secret.
    """
    signatures = headers.get('webhook-signature', '').split()
    if not signatures:
        return 'unsigned'
    if not secrets:
        return 'unchecked'
    stamp = headers.get('webhook-timestamp', '')
    if not re.fullmatch('[0-9]{1,12}', stamp) or abs(time.time() - int(stamp)) > CLOCK_TOLERANCE:
        return 'wrong'
    signed = f'{headers.get("webhook-id", "")}.{stamp}.'.encode() + body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix('whsec_'))
        digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(f'v1,{digest}', signature) for signature in signatures):
            return 'valid'
    return 'wrong'


def receive(inbox: Inbox, request) -> Response:
    """Take one webhook in, and answer as told."""
    if (request.content_length or 0) > LARGEST_BODY:
        return HTTPRequestEntityTooLarge(f'A receiver reads at most {LARGEST_BODY} bytes.')
    name, body = request.matchdict['name'], request.body
    status = inbox.answers().get(name, 200)
    inbox.add(
        {
            'receiver': name,
            'time': time.time(),
            'method': request.method,
            'id': request.headers.get('webhook-id'),
            'signature': check_signature(inbox.secrets(name), request.headers, body),
            'headers': dict(request.headers),
            'body': body[:SHOWN_BODY].decode('utf-8', 'replace'),
            'answer': status,
        }
    )
    return Response(status=status, text=f'The receiver {name} answers {status}.\n')


def list_arrivals(inbox: Inbox, request):
    """What arrived after the number ``?after=``, and how the receivers answer."""
    after = request.params.get('after', '0')
    if not re.fullmatch('[0-9]{1,12}', after):
        return HTTPBadRequest(f'after={after!r} is not the number of an arrival.')
    return {'arrivals': inbox.after(int(after)), 'answers': inbox.answers()}


def set_answer(inbox: Inbox, request):
    """Let a receiver answer with another status."""
    status = _field(request, 'status')
    if status not in ANSWERS:
        return HTTPBadRequest(f'The field "status" is {status!r}, which is none of {ANSWERS}.')
    inbox.set_answer(request.matchdict['name'], status)
    return {'status': status}


def add_secret(inbox: Inbox, request):
    """Tell a receiver the signing secret of a subscription."""
    secret = _field(request, 'secret')
    if not isinstance(secret, str) or not re.fullmatch(r'whsec_[A-Za-z0-9+/]{16,88}=*', secret):
        return HTTPBadRequest('The field "secret" is not a signing secret: "whsec_…".')
    inbox.add_secret(request.matchdict['name'], secret)
    return {}


def refuse(inbox: Inbox, request) -> Response:
    """Answer what is not for any receiver."""
    return HTTPNotFound('Post webhooks to /receiver/NAME.')


def wants_transaction(request) -> bool:
    """Whether a request is the company's: receivers have no part in its transactions."""
    return not request.environ['PATH_INFO'].startswith('/receiver/')


def _field(request, name):
    """A field of the JSON object that was sent, or None."""
    try:
        fields = request.json_body
    except ValueError:
        return None
    return fields.get(name) if isinstance(fields, dict) else None


def includeme(config) -> None:
    """Add the receivers, below ``/receiver/``."""
    inbox = Inbox()
    for key, value in config.registry.settings.items():
        if key.startswith(PREFIX):
            inbox.add_secret(key.removeprefix(PREFIX), value)
    name = '{name:[A-Za-z0-9_-]{1,40}}'
    for route, pattern, method, view, renderer in (
        ('arrivals', '/receiver/', 'GET', list_arrivals, 'json'),
        ('receive', f'/receiver/{name}', 'POST', receive, None),
        ('receiver.answer', f'/receiver/{name}/answer', 'POST', set_answer, 'json'),
        ('receiver.secret', f'/receiver/{name}/secret', 'POST', add_secret, 'json'),
        ('receiver.other', '/receiver/*rest', None, refuse, None),
    ):
        config.add_route(route, pattern, factory=lambda request: inbox, request_method=method)
        config.add_view(view, route_name=route, renderer=renderer)
