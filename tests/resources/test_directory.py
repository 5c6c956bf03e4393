"""Finding the subscriptions of a database without knowing their folders."""

from pyramid_webhooks import manager_of
from pyramid_webhooks.resources.directory import directory_of

TO = 'https://a.example/'


def test_all_subscriptions_are_listed_by_owner_those_of_nobody_first(company):
    of_head = company.subscribe('/NWS', TO, owner='head')
    of_nobody = company.subscribe('/NWS/OUN', TO)
    another = company.subscribe('/', TO, owner='head')
    listed = company.transact(lambda root: [each.id for each in directory_of(root)])
    assert listed == [of_nobody, *sorted((of_head, another))]


def test_a_subscription_is_found_by_its_id_alone_whoever_owns_it(company):
    ids = {
        company.subscribe('/NWS/OUN', TO, owner=owner): owner
        for owner in ('head', None, 'manager', 'president')
    }
    for id, owner in ids.items():
        assert company.transact(lambda root, id=id: directory_of(root).find(id).owner) == owner
    assert company.transact(lambda root: directory_of(root).find('sub_of_nobody')) is None


def test_a_subscription_that_was_removed_is_not_found(company):
    id = company.subscribe('/NWS/OUN', TO)

    def remove(root):
        del manager_of(root['NWS']['OUN'])[id]

    company.transact(remove)
    assert company.transact(lambda root: directory_of(root).find(id)) is None
    assert company.transact(lambda root: list(directory_of(root))) == []
