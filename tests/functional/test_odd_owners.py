"""Userids of every kind may own subscriptions."""

import pytest

from pyramid_webhooks import manager_of, subscribe, unsubscribe_owner
from tests.company import Security, add

OWNERS = {
    'spaces': '  Ann  Example ',
    'unicode': 'Zoë 名前 🦊',
    'quotes': '"; DROP TABLE users; --',
    'long': 'x' * 500,
}


@pytest.mark.parametrize('owner', OWNERS.values(), ids=OWNERS)
def test_its_subscriptions_get_theirs_and_go_with_it(make_company, receiver, owner):
    company = make_company(policy=Security(people=('president', owner)))

    def permit(context, request):
        context.viewers = (owner,)

    company.request(permit, '/NWS')
    company.subscribe('/NWS', receiver.url_for('odd'), owner=owner)
    company.subscribe('/', receiver.url_for('unseeing'), owner='president')
    company.subscribe('/', receiver.url_for('good'))
    company.add('/NWS', 'ann')
    company.settle()
    paths = sorted(request.path for request in receiver.requests)
    assert paths == ['/good', '/odd', '/unseeing']

    def leave(context, request):
        count = unsubscribe_owner(owner)
        add(context, 'ben', request.registry.notify)
        return count

    assert company.request(leave, '/NWS') == 1
    company.settle()
    assert len(receiver.requests) == 5


@pytest.mark.parametrize(
    'owner, reason',
    [
        ('x' * 2**20, 'longer than 500 characters'),
        ('ann\nben\0', 'control characters'),
        ('system.Everyone', 'not a userid'),
        ('', ''),
        (7, ''),
        (b'ann', ''),
        ('\ud800', ''),
    ],
    ids=range(7),
)
def test_what_is_no_userid_is_refused_with_the_reason(company, receiver, owner, reason):
    def do(context, request):
        with pytest.raises(ValueError, match=f'^owner: .*{reason}') as refusal:
            subscribe(context, receiver.url, events=['*'], owner=owner)
        return len(str(refusal.value)) < 1000 and manager_of(context) is None

    assert company.request(do, '/NWS')
