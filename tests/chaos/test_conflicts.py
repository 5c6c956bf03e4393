"""Threads that commit to one hot subscription while the engine delivers and records."""

from collections import Counter

import pytest

from pyramid_webhooks.outbox import segment
from tests.chaos.commits import Commits


def deliveries(receiver):
    return Counter(
        (request.json()['name'], request.json()['age']) for request in receiver.requests
    )


@pytest.fixture(params=['process', 'backlog first'])
def hot(request, make_company, receiver):
    """A company with one hot subscription; delivering at once, or only after a restart."""
    delivery = 'process' if request.param == 'process' else 'worker'
    company = make_company(settings={'webhooks.delivery': delivery})
    company.subscribe('/', receiver.url)
    return company


def test_no_conflict_reaches_the_application_and_every_message_arrives_once(hot, receiver):
    commits = Commits(hot).run(400, stale=0.2)
    assert commits.conflicts == []
    assert len(commits.committed) == 400
    hot.restart(settings={**hot.settings, 'webhooks.delivery': 'process'})
    hot.settle(60)
    assert deliveries(receiver) == Counter(commits.committed)
    assert len({request.headers['webhook-id'] for request in receiver.requests}) == 400
    log = hot.at('/', lambda manager: [s.log.succeeded for s in manager.values()])
    assert log == [400]


def test_events_with_many_receivers_do_not_conflict_either(make_company, receiver):
    company = make_company()
    for number in range(20):
        company.subscribe('/', receiver.url_for(str(number)))
    commits = Commits(company, threads=4).run(40, stale=0.5)
    assert commits.conflicts == []
    company.settle(60)
    assert len(receiver.requests) == 40 * 20
    assert set(deliveries(receiver).values()) == {20}


def test_conflicts_would_be_seen_without_the_merge_of_segments(
    make_company, receiver, monkeypatch
):
    monkeypatch.delattr(segment.Segment, '_p_resolveConflict')
    # ZODB remembers for good which classes can't be merged.
    monkeypatch.setattr('ZODB.ConflictResolution._unresolvable', {})
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    assert Commits(company).run(400, stale=0.5).conflicts
