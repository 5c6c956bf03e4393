"""Checking what a request sends against a schema."""

from __future__ import annotations

import gc

import colander
import pytest


def schemas():
    """Every class of schemas that there is."""
    found, left = set(), [colander.SchemaNode]
    while left:
        each = left.pop()
        found.add(each)
        left += each.__subclasses__()
    return found


def test_a_request_makes_no_classes_of_schemas(client):
    made = client.subscribe()
    before = schemas()
    gc.disable()
    try:
        client.list(query='?limit=3')
        client.change(made['url'], description='changed')
        assert schemas() <= before
    finally:
        gc.enable()


@pytest.mark.parametrize(('query', 'name'), [('?limit=x', 'limit'), ('?odd=1', 'odd')])
def test_what_is_wrong_in_a_query_is_named_with_its_place(client, query, name):
    [error] = client.list(query=query, status=400)['errors']
    assert (error['location'], error['name']) == ('querystring', name)


@pytest.mark.parametrize('fields', [{'to': 1}, {'odd': 1}])
def test_what_is_wrong_in_a_body_is_named_with_its_place(client, fields):
    [error] = client.subscribe(status=400, **fields)['errors']
    assert (error['location'], error['name']) == ('body', *fields)
