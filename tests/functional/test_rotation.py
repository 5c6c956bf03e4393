"""Rotating signing secrets while an application sends to a receiver that checks signatures."""

import threading
import time

import pytest

from pyramid_webhooks import InvalidArgument, find_managers, new_secret
from tests.company import QUICK, wait_until
from tests.signatures import verifies, versions

SCHEMES = ('v1', 'v1a')
PREFIXES = {'v1': 'whsec_', 'v1a': 'whsk_'}


def rotate(company, id, *arguments, **keywords):
    return company.at('/', lambda manager: manager[id].rotate_secret(*arguments, **keywords))


def send(company, receiver, name):
    """Let one more event happen, and return what arrives."""
    count = len(receiver.requests)
    company.add('/NWS/OUN', name)
    company.settle()
    [request] = receiver.wait_for(count + 1)[count:]
    return request


@pytest.mark.parametrize('scheme', SCHEMES)
def test_signatures_verify_before_during_and_after_a_rotation(company, receiver, scheme):
    old = new_secret(scheme)
    id = company.subscribe('/', receiver.url, secret=old)
    before = send(company, receiver, 'before')
    assert verifies(old, before) and versions(before) == [scheme]

    overlap = 1.5
    ends = time.time() + overlap
    new = rotate(company, id, overlap)
    assert new.startswith(PREFIXES[scheme]) and new != old
    during = send(company, receiver, 'during')
    assert time.time() < ends, 'the machine is too slow for this test'
    assert verifies(old, during) and verifies(new, during)
    assert versions(during) == [scheme, scheme]
    assert not verifies(new, before) and not verifies(new_secret(scheme), during)

    wait_until(lambda: time.time() > ends + 0.1, what='the end of the overlap')
    after = send(company, receiver, 'after')
    assert verifies(new, after) and not verifies(old, after) and versions(after) == [scheme]


def test_without_an_overlap_the_old_secret_ends_at_once(company, receiver):
    old = new_secret()
    id = company.subscribe('/', receiver.url, secret=old)
    new = rotate(company, id, 0)
    request = send(company, receiver, 'ada')
    assert verifies(new, request) and not verifies(old, request)
    assert company.at('/', lambda manager: manager[id].secrets) == (new,)


def test_a_receiver_may_move_from_hmac_to_ed25519_and_sees_the_public_keys(company, receiver):
    old = new_secret()
    id = company.subscribe('/', receiver.url, secret=old)
    new = rotate(company, id, secret=new_secret('v1a'))
    request = send(company, receiver, 'ada')
    assert versions(request) == ['v1a', 'v1']
    assert verifies(old, request) and verifies(new, request)
    [public] = company.at('/', lambda manager: manager[id].public_keys)
    assert public.startswith('whpk_') and verifies(public, request)


def test_a_retry_after_a_rotation_is_signed_with_the_new_secret(make_company, receiver):
    company = make_company(settings={**QUICK, 'webhooks.retry_schedule': '1s'})
    old = new_secret()
    id = company.subscribe('/', receiver.url, secret=old)
    receiver.answer(503, times=1)
    company.add('/NWS/OUN', 'ada')
    receiver.wait_for(1)
    new = rotate(company, id, 0)
    first, second = receiver.wait_for(2)
    assert first.headers['webhook-id'] == second.headers['webhook-id']
    assert verifies(old, first)
    assert verifies(new, second) and not verifies(old, second)


def test_what_was_prepared_before_a_rotation_is_signed_with_the_new_secret(make_company, receiver):
    company = make_company(settings={**QUICK, 'webhooks.concurrency_per_subscription': '1'})
    old = new_secret()
    id = company.subscribe('/', receiver.url, secret=old)
    send(company, receiver, 'proof')
    rotated = threading.Event()
    receiver.answer(lambda request: rotated.wait(10) and None)
    company.add('/NWS/OUN', *[f'e{number:02}' for number in range(40)])
    receiver.wait_for(2)
    new = rotate(company, id, 0)
    engine_is_told(company)
    rotated.set()
    company.settle()
    proof, open_meanwhile, *rest = receiver.requests
    assert verifies(old, open_meanwhile)
    assert len(rest) == 39 and all(verifies(new, request) for request in rest)


def engine_is_told(company):
    """Wait until the engine has taken the command out of the intake."""

    def commands():
        def look(root):
            outbox = root._p_jar.root()['pyramid_webhooks.outbox']
            segments = outbox.intake.all_segments()
            return [1 for each in segments for _, entry in each.items() if entry.message is None]

        return company.transact(look)

    wait_until(lambda: not commands(), what='that the engine is told')


def test_a_new_target_is_used_for_what_was_prepared_for_the_old_one(make_company, receiver):
    company = make_company(settings={**QUICK, 'webhooks.concurrency_per_subscription': '1'})
    id = company.subscribe('/', receiver.url_for('/old'))
    send(company, receiver, 'proof')
    changed = threading.Event()
    receiver.answer(lambda request: changed.wait(10) and None, path='/old')
    company.add('/NWS/OUN', *[f'e{number:02}' for number in range(20)])
    receiver.wait_for(2)
    company.at('/', lambda manager: manager.change(manager[id], to=receiver.url_for('/new')))
    engine_is_told(company)
    changed.set()
    company.settle()
    paths = [request.path for request in receiver.requests]
    assert paths == ['/old'] * 2 + ['/new'] * 19


def test_a_secret_that_has_ended_is_forgotten_by_the_next_write(company, receiver):
    old = new_secret()
    id = company.subscribe('/', receiver.url, secret=old)

    def record():
        oid = company.at('/', lambda manager: manager[id]._p_oid)
        return company.database.storage.load(oid)[0]

    ends = time.time() + 0.3
    new = rotate(company, id, 0.3)
    assert old.encode() in record() and new.encode() in record()
    wait_until(lambda: time.time() > ends + 0.1, what='the end of the overlap')
    company.at('/', lambda manager: manager.change(manager[id], description='changed'))
    assert old.encode() not in record() and new.encode() in record()


def test_the_overlap_of_an_earlier_rotation_is_not_prolonged_by_a_later_one(company, receiver):
    id = company.subscribe('/', receiver.url)
    [first] = company.at('/', lambda manager: manager[id].secrets)
    second = rotate(company, id, 1)
    third = rotate(company, id, 3600)
    now = time.time()
    stored = company.at('/', lambda manager: manager[id].stored_secrets)
    assert [secret for secret, _ in stored] == [third, second, first]
    assert stored[0][1] is None and stored[1][1] > now + 3000 and stored[2][1] <= now + 1
    fourth = rotate(company, id, 0)
    assert company.at('/', lambda manager: manager[id].secrets) == (fourth,)


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ((-1,), 'overlap: must be from 0 to'),
        ((float('nan'),), 'overlap: must be from 0 to'),
        ((float('inf'),), 'overlap: must be from 0 to'),
        ((10**400,), 'overlap: must be from 0 to'),
        (('60',), 'overlap: must be a number of seconds'),
        ((True,), 'overlap: must be a number of seconds'),
        ((60, 'whsec_short'), 'secret: '),
        ((60, 7), 'secret: must be a text'),
    ],
)
def test_a_rotation_that_can_not_be_made_changes_nothing(company, receiver, arguments, reason):
    id = company.subscribe('/', receiver.url)
    secrets = company.at('/', lambda manager: manager[id].secrets)
    with pytest.raises(InvalidArgument, match=f'^{reason}'):
        rotate(company, id, *arguments)
    assert company.at('/', lambda manager: manager[id].secrets) == secrets


def test_the_present_secret_is_no_new_one_and_there_are_five_at_most(company, receiver):
    secret = new_secret()
    id = company.subscribe('/', receiver.url, secret=secret)
    with pytest.raises(InvalidArgument, match='in force already') as caught:
        rotate(company, id, 60, secret)
    assert secret not in str(caught.value)
    for _ in range(4):
        rotate(company, id, 60)
    with pytest.raises(InvalidArgument, match='there are 5 secrets in force already'):
        rotate(company, id, 60)
    request = send(company, receiver, 'ada')
    assert versions(request) == ['v1'] * 5 and verifies(secret, request)


@pytest.mark.parametrize('path', ['', '/'])
def test_the_configuration_rotates_its_own_by_naming_two(make_company, receiver, path):
    old, new = new_secret(), new_secret('v1a')
    prefix = 'webhooks.subscription.audit.'
    settings = {
        'webhooks.subscriptions': 'audit',
        prefix + 'to': receiver.url,
        prefix + 'events': '*',
        prefix + 'secret': old,
        prefix + 'path': path,
    }
    company = make_company(settings=settings)
    assert versions(send(company, receiver, 'before')) == ['v1']
    company.restart(settings={**QUICK, **settings, prefix + 'secret': f'{new} {old}'})
    during = send(company, receiver, 'during')
    assert versions(during) == ['v1a', 'v1'] and verifies(old, during) and verifies(new, during)

    def refused(root):
        [subscription] = [each for manager in find_managers(root) for each in manager.values()]
        with pytest.raises(TypeError, match='configuration defines the secret'):
            subscription.rotate_secret()
        return subscription.public_keys

    assert len(company.transact(refused)) == 1
