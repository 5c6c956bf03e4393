"""Signing secrets in the database, with and without keys to encrypt them."""

import logging
import secrets
import threading

import pytest
import transaction
from ZODB.POSException import ConflictError

from pyramid_webhooks import UnreadableSecret, encrypt_secrets, manager_of, new_secret
from pyramid_webhooks.resources.sealed import sealed_index
from tests.company import QUICK, messages, wait_until
from tests.signatures import verifies

FIRST, SECOND = (secrets.token_urlsafe(32) for _ in range(2))


def settings(*keys, **more):
    return {**QUICK, 'webhooks.secrets_key': ' '.join(keys), **more}


def stored_in(company):
    """Every byte of the database, and of what lies beside it."""
    parts = [company.path, *(company.path + end for end in ('.index', '.tmp'))]
    found = b''
    for part in parts:
        try:
            with open(part, 'rb') as file:
                found += file.read()
        except FileNotFoundError:
            continue
    return found


def contains(company, secret):
    """Whether the database has the secret, as it is written or as its bytes."""
    return secret.partition('_')[2].rstrip('=').encode() in stored_in(company)


def secrets_of(company, id):
    return company.at('/', lambda manager: manager[id].secrets)


def key_ids(company):
    return company.transact(lambda root: list(sealed_index(root._p_jar).key_ids()))


def sent(company, receiver, name):
    count = len(receiver.requests)
    company.add('/NWS/OUN', name)
    request = receiver.wait_for(count + 1)[count]
    company.settle()
    return request


@pytest.mark.parametrize('scheme', ['v1', 'v1a'])
def test_with_a_key_no_secret_is_ever_in_the_file(make_company, receiver, scheme):
    company = make_company(settings=settings(FIRST))
    made = company.subscribe('/', receiver.url)
    given = new_secret(scheme)
    id = company.subscribe('/', receiver.url, secret=given)
    request = sent(company, receiver, 'ada')
    company.settle()
    requests = receiver.requests
    assert any(verifies(given, each) for each in requests)
    [secret] = secrets_of(company, made)
    rotated = company.at('/', lambda manager: manager[id].rotate_secret(60))
    assert secrets_of(company, id) == (rotated, given)
    company.stop()
    for each in given, secret, rotated:
        assert not contains(company, each)
    assert request.headers['webhook-id'].encode() in stored_in(company), 'the test looks right'


def test_a_secret_of_the_configuration_is_encrypted_in_the_tree_and_else_not_stored(
    make_company, receiver
):
    in_tree, everywhere = new_secret(), new_secret()
    more = {'webhooks.subscriptions': 'a b'}
    for name, secret, path in (('a', in_tree, '/NWS'), ('b', everywhere, '')):
        prefix = f'webhooks.subscription.{name}.'
        more |= {prefix + 'to': receiver.url, prefix + 'events': '*', prefix + 'secret': secret}
        more |= {prefix + 'path': path}
    company = make_company(settings=settings(FIRST, **more))
    company.add('/NWS/OUN', 'ada')
    requests = receiver.wait_for(2)
    for secret in in_tree, everywhere:
        assert any(verifies(secret, each) for each in requests)
        assert not contains(company, secret)
    changed = {**more, 'webhooks.subscription.a.secret': (other := new_secret())}
    company.restart(settings=settings(FIRST, **changed))
    [subscription] = company.at(
        '/NWS', lambda manager: [each.secrets for each in manager.values()]
    )
    assert subscription == (other,)
    assert not contains(company, other)


def test_without_a_key_secrets_are_stored_as_they_are_and_a_key_encrypts_them_later(
    make_company, receiver, caplog
):
    company = make_company()
    ids = [company.subscribe('/', receiver.url) for _ in range(25)]
    known = {id: secrets_of(company, id) for id in ids}
    assert contains(company, known[ids[0]][0]) and key_ids(company) == ['']
    company.restart(settings=settings(FIRST))
    assert 'not encrypted with the first key of webhooks.secrets_key' in messages(caplog)
    assert {id: secrets_of(company, id) for id in ids} == known
    assert encrypt_secrets(company.registry, batch=10) == (25, ())
    assert encrypt_secrets(company.registry) == (0, ())
    assert len(key_ids(company)) == 1 and key_ids(company) != ['']
    company.database.pack()
    assert {id: secrets_of(company, id) for id in ids} == known
    company.stop()
    for (secret,) in known.values():
        assert not contains(company, secret), 'what was stored before goes when it is packed'
    caplog.clear()
    company.start()
    assert 'secrets_key' not in messages(caplog)


def test_the_key_is_changed_without_a_break(make_company, receiver):
    company = make_company(settings=settings(FIRST))
    ids = [company.subscribe('/', receiver.url_for(str(number))) for number in range(3)]
    known = {id: secrets_of(company, id) for id in ids}
    company.restart(settings=settings(SECOND, FIRST))
    assert verifies(known[ids[0]][0], next_to(company, receiver, '/0'))
    assert encrypt_secrets(company.registry, batch=1) == (3, ())
    company.restart(settings=settings(SECOND))
    assert {id: secrets_of(company, id) for id in ids} == known
    assert verifies(known[ids[0]][0], next_to(company, receiver, '/0'))


def next_to(company, receiver, path):
    receiver.clear()
    company.add('/NWS/OUN', secrets.token_hex(4))
    company.settle()
    [found] = [request for request in receiver.requests if request.path == path]
    return found


def test_a_key_that_is_gone_is_an_error_of_that_subscription_alone(make_company, receiver, caplog):
    company = make_company(settings=settings(FIRST))
    lost = company.subscribe('/', receiver.url_for('lost'))
    [secret] = secrets_of(company, lost)
    caplog.clear()
    company.restart(settings=settings(SECOND, **{'webhooks.retry_schedule': '1s 1s 1s 1s'}))
    [line] = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert lost in line.getMessage() and 'Put that key back' in line.getMessage()
    good = company.subscribe('/', receiver.url_for('good'))
    company.add('/NWS/OUN', 'ada')
    company.settle()
    [request] = receiver.requests
    assert request.path == '/good' and verifies(*secrets_of(company, good), request)
    with pytest.raises(UnreadableSecret, match=lost):
        secrets_of(company, lost)
    first, second = company.attempts('/', lost)
    assert first[0] == 'failed' and 'webhooks.secrets_key' in first[2]
    assert second[0] == 'pending', 'it is not given up: the key may come back'
    assert secret not in messages(caplog, logging.DEBUG)
    changed, [sentence] = encrypt_secrets(company.registry)
    assert not changed and lost in sentence

    company.restart(settings=settings(SECOND, FIRST))
    wait_until(lambda: len(receiver.requests) == 2)
    assert receiver.requests[1].path == '/lost' and verifies(secret, receiver.requests[1])


def test_a_secret_that_can_not_be_read_can_be_rotated_and_the_rest_still_works(
    make_company, receiver
):
    company = make_company(settings=settings(FIRST))
    id = company.subscribe('/', receiver.url)
    company.restart(settings=settings(SECOND))
    company.at('/', lambda manager: manager.change(manager[id], description='still changeable'))
    new = company.at('/', lambda manager: manager[id].rotate_secret(60))
    assert secrets_of(company, id) == (new,)
    assert verifies(new, sent(company, receiver, 'ada'))
    assert len(key_ids(company)) == 1
    company.at('/', lambda manager: manager.__delitem__(id))
    assert key_ids(company) == []


def test_without_a_key_there_is_nothing_to_encrypt_with(company):
    with pytest.raises(ValueError, match=r'webhooks\.secrets_key has no key'):
        encrypt_secrets(company.registry)


def test_many_secrets_are_encrypted_in_transactions_of_bounded_size(make_company, receiver):
    company = make_company()
    for _ in range(7):
        company.subscribe('/', receiver.url)
    company.restart(settings=settings(FIRST))
    before = company.database.lastTransaction()
    assert encrypt_secrets(company.registry, batch=3).changed == 7
    iterator = company.database.storage.iterator(before)
    sizes = [
        sum(b'Subscription' in record.data[:200] for record in each)
        for each in iterator
        if b'encryption of secrets' in each.description
    ]
    assert sizes == [3, 3, 1]


def test_secrets_may_be_rotated_while_all_of_them_are_encrypted(make_company, receiver):
    company = make_company()
    ids = [company.subscribe('/', receiver.url) for _ in range(20)]
    company.restart(settings=settings(FIRST))
    newest = {id: secrets_of(company, id)[0] for id in ids}
    conflicts, done = [], threading.Event()

    def rotate_all():
        while not done.is_set():
            for id in ids:
                try:
                    newest[id] = company.at(
                        '/', lambda manager, id=id: manager[id].rotate_secret(0)
                    )
                except ConflictError as error:
                    conflicts.append(error)

    rotating = threading.Thread(target=rotate_all)
    rotating.start()
    try:
        assert encrypt_secrets(company.registry, batch=5).unreadable == ()
    finally:
        done.set()
        rotating.join(20)
    encrypt_secrets(company.registry)
    assert len(key_ids(company)) == 1 and key_ids(company) != ['']
    assert {id: secrets_of(company, id) for id in ids} == {id: (newest[id],) for id in ids}


def test_what_is_not_in_the_database_any_more_is_no_hindrance(make_company, receiver, caplog):
    company = make_company()
    company.subscribe('/', receiver.url)
    gone = b'\x7f' * 8
    company.transact(lambda root: sealed_index(root._p_jar).add('', 'sub_gone', gone))
    company.transact(lambda root: sealed_index(root._p_jar).add('ab' * 8, 'sub_lost', gone))
    company.restart(settings=settings(FIRST))
    assert 'sub_lost' not in messages(caplog)
    assert encrypt_secrets(company.registry) == (1, ())
    assert len(key_ids(company)) == 1


def test_a_secret_that_is_stored_for_another_subscription_is_not_read(make_company, receiver):
    company = make_company(settings=settings(FIRST))
    one, other = (company.subscribe('/', receiver.url) for _ in range(2))

    def swap(root):
        manager = manager_of(root)
        manager[one]._secrets = manager[other]._secrets

    company.transact(swap)
    with pytest.raises(UnreadableSecret, match='encrypted for another one'):
        secrets_of(company, one)


def test_no_connection_is_left_open(make_company, receiver):
    company = make_company(settings=settings(FIRST))
    company.subscribe('/', receiver.url)
    encrypt_secrets(company.registry)
    assert transaction.manager.get()._resources == []
