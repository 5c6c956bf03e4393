"""The tables of the pages about moving: what each behaviour is shown by has to exist."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.docs.sessions import CLONE, PAGES

MOVING = ('from-nti-webhooks.rst', 'from-django-rest-hooks.rst')

_TABLE = re.compile(r'^\.\. list-table::\n((?:   .*\n|\n)+)', re.MULTILINE)
_ROW = re.compile(r'^   \* - ', re.MULTILINE)
_NAME = re.compile(r'``(tests/[\w/]+\.py)::(\w+)``')


def rows_of(page):
    """The rows of the tables of behaviours, without the heads."""
    for options_and_rows in _TABLE.findall((PAGES / page).read_text()):
        if ':class: behaviours' in options_and_rows:
            yield from _ROW.split(options_and_rows)[2:]


@functools.cache
def names_in(file):
    """The names of the test functions of a file."""
    path = CLONE / file
    if not path.is_file():
        return frozenset()
    functions = ast.parse(path.read_text()).body
    return frozenset(each.name for each in functions if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize('page', MOVING)
def test_every_test_that_a_page_names_exists(page):
    named = _NAME.findall((PAGES / page).read_text())
    assert len(named) > 30
    assert [f'{file}::{name}' for file, name in named if name not in names_in(file)] == []


@pytest.mark.parametrize('page', MOVING)
def test_every_behaviour_is_shown_by_a_test(page):
    rows = list(rows_of(page))
    assert len(rows) > 30
    assert [row for row in rows if not _NAME.search(row)] == []


@pytest.mark.parametrize('page', MOVING)
def test_a_page_names_no_test_in_another_form(page):
    text = (PAGES / page).read_text()
    assert text.count('::test_') == len(_NAME.findall(text))
