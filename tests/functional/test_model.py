"""Random programs, on a real application and on a simple model of who is owed what."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.driving import comparing
from tests.functional.programs import programs


@pytest.fixture(scope='module')
def differences():
    """What arrives otherwise than the model says when a program is run."""
    with comparing() as compare:
        yield compare


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs, coalesce=st.booleans())
def test_whatever_is_done_those_get_it_who_are_owed_it(differences, program, coalesce):
    assert differences(program, coalesce) == []
