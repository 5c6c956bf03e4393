"""Reading what a request sends: JSON bodies and query parameters.

What browsers send across origins without asking first is never taken for a wish of the caller:
a body must be declared as JSON, and a request that needs no body must not come from a page of
another origin. So the services need no CSRF token.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from pyramid_webhooks.rest.errors import Refused

#: Bytes of the largest body that is read.
LIMIT = 64 * 1024
JSON = 'application/json'


def read_body(request: Any) -> dict[str, Any]:
    """The Cornice deserializer of JSON bodies; no body at all stands for ``{}``."""
    data = _read(request)
    if not data and not request.content_type:
        return {'body': {}}
    if request.content_type != JSON:
        raise _unsupported(request)
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        text = str(error) if isinstance(error, json.JSONDecodeError) else 'it can not be read'
        raise Refused(400, 'body', 'body', f'It is not valid JSON: {text}.') from None
    if not isinstance(body, dict):
        raise Refused(400, 'body', 'body', 'It must be a JSON object.')
    return {'body': body}


def _read(request: Any) -> bytes:
    length = request.content_length
    if length is None and request.is_body_readable:
        # It comes in chunks; once read, the body can be read again by others.
        data = request.body_file.read(LIMIT + 1)
        length = len(data)
        if length <= LIMIT:
            request.body = data
    if length is not None and length > LIMIT:
        raise Refused(400, 'body', 'body', f'It is larger than {LIMIT} bytes.')
    return request.body


def _unsupported(request: Any) -> Refused:
    given = f'not {request.content_type[:100]}' if request.content_type else 'it is missing'
    return Refused(415, 'header', 'Content-Type', f'Must be {JSON}; {given}.')


def no_form_of_another_origin(request: Any, **_: Any) -> None:
    """A Cornice validator for requests that need no body."""
    data = _read(request)
    if request.content_type == JSON:
        return
    if data:
        raise _unsupported(request)
    if not _is_same_origin(request):
        raise Refused(
            403,
            'header',
            'Origin',
            f'Pages of another origin must send the Content-Type {JSON}.',
        )


def _is_same_origin(request: Any) -> bool:
    site = request.headers.get('Sec-Fetch-Site')
    if site is not None:
        return site in ('same-origin', 'none')
    origin = request.headers.get('Origin')
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()


def read_query(request: Any) -> dict[str, Any]:
    """The Cornice deserializer of query parameters."""
    try:
        return {'querystring': request.GET.mixed()}
    except UnicodeDecodeError:
        raise Refused(400, 'querystring', 'query', 'The query is not valid UTF-8.') from None
