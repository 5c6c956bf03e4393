"""One measurement serves the bars of several parts, each with its own limits."""

from __future__ import annotations

import pytest

from benchmarks.acceptance import speed
from benchmarks.acceptance.finding import judged
from benchmarks.measuring import Figure


def measure():
    yield Figure('P1 commit, 1 matching subscription', [1.8, 1.7, 1.9], 'x', 1.6)
    yield Figure('deliveries, one at a time', [100.0], '/s')
    yield Figure('first request', [3.0], 's', 5)


def test_a_figure_of_part_six_is_judged_elsewhere_only_by_a_limit():
    assert [each.text.split('  ')[0] for each in judged(measure)] == ['first request']


@pytest.mark.parametrize(('limit', 'kept'), [(2.0, True), (1.75, False)])
def test_a_limit_is_kept_instead_of_the_goal(limit, kept):
    found = list(judged(measure, limits={'P1 commit, 1 matching subscription': limit}))
    assert [each.kept for each in found] == [kept, True]
    assert f'goal ≤ {limit:g}' in found[0].text


def test_a_limit_for_what_was_not_measured_is_a_failure():
    *_, found = judged(measure, limits={'P2 commit, 100 matching subscriptions': 5.0})
    assert (found.kept, found.text) == (
        False,
        'P2 commit, 100 matching subscriptions: it was not measured',
    )


def test_every_goal_has_a_bar_that_says_what_it_is_about():
    assert list(speed.BARS) == list(range(1, 15))
    assert all(bar.__doc__.endswith('.') for bar in speed.BARS.values())


def test_a_bar_judges_the_figures_of_its_goal_and_measures_once(monkeypatch, tmp_path):
    monkeypatch.setattr('benchmarks.measuring.RESULTS', tmp_path / 'var' / 'results.jsonl')
    measured = []

    def measure_twice():
        measured.append(True)
        yield from measure()
        yield Figure('P10 CPU of a delivery', [2.0], 'x', 3)

    first = speed._bar(1, 'The first.', (measure_twice,))
    tenth = speed._bar(10, 'The tenth.', (measure_twice,))
    second = speed._bar(2, 'The second.', (measure_twice,))
    (found,) = first()
    assert (found.kept, found.text[:10]) == (False, 'P1 commit,')
    (found,) = tenth()
    assert (found.kept, found.text[:10]) == (True, 'P10 CPU of')
    with pytest.raises(AssertionError, match='measures nothing for P2'):
        list(second())
    assert len(measured) == 1
