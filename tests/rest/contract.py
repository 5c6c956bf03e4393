"""The OpenAPI document, held against what the services really take and answer."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOCUMENT = json.loads(files('pyramid_webhooks.rest').joinpath('openapi.json').read_text('utf-8'))
METHODS = ('get', 'post', 'put', 'patch', 'delete')
_REGISTRY = Registry().with_resource('doc:', DRAFT202012.create_resource(DOCUMENT))
#: (method, path, status) of the responses that were checked.
checked = set()


def operations():
    """Yield (method, path, operation) of all operations."""
    for path, item in DOCUMENT['paths'].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def resolve(node):
    """What a reference stands for."""
    while '$ref' in node:
        found = DOCUMENT
        for name in node['$ref'].removeprefix('#/').split('/'):
            found = found[name]
        node = found
    return node


def validator(pointer):
    """A validator of what a schema at a place of the document describes."""
    schema = {'$ref': f'doc:#{pointer}'}
    return Draft202012Validator(schema, registry=_REGISTRY, format_checker=FormatChecker())


def escaped(name):
    """A part of a JSON pointer."""
    return name.replace('~', '~0').replace('/', '~1')


def operation_of(method, url):
    """The path template and the operation of a request below ``__webhooks__``, or None."""
    path = urlsplit(url).path
    if '/__webhooks__' not in path:
        return None
    rest = path.partition('/__webhooks__')[2].rstrip('/') or '/'
    for _, template, operation in sorted(operations(), key=lambda each: each[1].count('{')):
        pattern = re.sub(r'\\{\w+\\}', '[^/]+', re.escape(template))
        if re.fullmatch(pattern, rest):
            operation = DOCUMENT['paths'][template].get(method.lower())
            return template, operation
    return None


def check(method, url, answer):
    """Fail unless the document has such an answer to a request."""
    found = operation_of(method, url)
    if found is None:
        return
    template, operation = found
    status = str(answer.status_int)
    if operation is None or status == '405':
        assert (operation, status) == (None, '405'), f'{method} {template}: {status}'
        return
    assert status in operation['responses'], f'{method} {template}: {status} {answer.text}'
    response = resolve(operation['responses'][status])
    checked.add((method.lower(), template, status))
    content = response.get('content')
    if content is None:
        assert answer.body == b''
        return
    if status == '403' and answer.content_type != 'application/json':
        return
    assert answer.content_type == 'application/json'
    place = f'/paths/{escaped(template)}/{method.lower()}/responses/{status}'
    reference = operation['responses'][status].get('$ref')
    place = reference.removeprefix('#') if reference else place
    pointer = f'{place}/content/{escaped("application/json")}/schema'
    validator(pointer).validate(answer.json)
    for name in response.get('headers', ()):
        assert name in answer.headers
