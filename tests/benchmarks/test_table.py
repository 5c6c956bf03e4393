"""The table of figures is made of the latest that mean something."""

from __future__ import annotations

import pytest

from benchmarks.measuring import Figure
from benchmarks.table import latest, rows, table


@pytest.fixture
def results(monkeypatch, tmp_path):
    path = tmp_path / 'var' / 'results.jsonl'
    monkeypatch.setattr('benchmarks.measuring.RESULTS', path)
    monkeypatch.setattr('benchmarks.measuring.SMOKE', False)
    return path


def names(path):
    return [figure['name'] for figure in latest(path)]


def test_goals_come_first_in_their_order(results):
    for name in ('commits', 'P10 CPU', 'P2 commit'):
        Figure(name, [1.0], 'x').keep()
    assert names(results) == ['P2 commit', 'P10 CPU', 'commits']


def test_a_later_figure_replaces_an_earlier_one(results):
    for value in (1.0, 2.0):
        Figure('P2 commit', [value], 'x', 4).keep()
    assert [row[1] for row in rows(latest(results))] == ['2.00 x']


def test_short_runs_are_left_out(results, monkeypatch):
    Figure('P2 commit', [1.0], 'x', 4).keep()
    monkeypatch.setattr('benchmarks.measuring.SMOKE', True)
    Figure('P2 commit', [9.0], 'x', 4).keep()
    Figure('P3 event', [9.0], 'µs', 20).keep()
    assert [row[:2] for row in rows(latest(results))] == [('P2 commit', '1.00 x')]


def test_a_row_has_median_spread_goal_and_whether_it_is_met(results):
    Figure('P5 deliveries', [30.0, 35.0, 45.0], '%', 40, at_least=True).keep()
    Figure('bare transport', [10100.0, 9000.0, 12000.0], '/s').keep()
    assert list(rows(latest(results))) == [
        ('P5 deliveries', '35.00 %', '30.00 … 45.00', '≥ 40', 'no'),
        ('bare transport', '10,100 /s', '9,000 … 12,000', '', ''),
    ]


def test_the_table_says_when_and_with_what_it_was_measured(results):
    Figure('P5 deliveries', [30.0], '%', 40, at_least=True).keep()
    Figure('bare transport', [10100.0], '/s').keep()
    caption, _, rule, head, _, first, second, end = table(latest(results)).splitlines()
    assert caption.startswith('Measured 20') and caption.endswith('.')
    assert rule == end
    columns = [at for at, cell in enumerate(rule) if cell == '=' and rule[at - 1 : at] != '=']
    assert [head[at] for at in columns] == ['f', 'm', 'l', 'g', 'm']
    assert (first[columns[1] :].split()[0], second[columns[1] :].split()[0]) == ('30.00', '10,100')
