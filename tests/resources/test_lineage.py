"""Where a lineage ends."""

import pytest
from transaction.interfaces import TransientError

from pyramid_webhooks.resources.lineage import LINEAGE_LIMIT, is_endless, lineage


class Resource:
    """A resource with a parent."""

    def __init__(self, parent=None):
        self.__parent__ = parent


class WithoutParent:
    """A resource that knows of no parent."""


class Raising:
    """A resource whose parent can not be found."""

    def __init__(self, error):
        self._error = error

    @property
    def __parent__(self):
        raise self._error


def line(length, top=None):
    resource = top
    for _ in range(length):
        resource = Resource(resource)
    return resource


def test_a_lineage_ends_at_what_has_no_parent():
    for top in (None, WithoutParent(), Raising(ValueError('gone'))):
        assert not is_endless(top)
        assert not is_endless(line(3, top))


def test_a_circle_is_endless_wherever_it_begins():
    last = Resource()
    circle = last.__parent__ = line(3, last)
    assert is_endless(circle)
    assert is_endless(line(2, circle))
    assert len(list(lineage(circle))) == 4


def test_what_is_too_long_is_taken_for_endless():
    assert not is_endless(line(LINEAGE_LIMIT))
    assert is_endless(line(LINEAGE_LIMIT + 1))


def test_a_transaction_that_is_to_be_tried_again_is_told_so():
    with pytest.raises(TransientError):
        is_endless(line(2, Raising(TransientError())))
