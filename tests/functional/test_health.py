"""Receivers that fail: left alone, noticed when they are back, and given up in the end."""

import pytest

from pyramid_webhooks.interfaces import IDeliveryEngine, ISubscriptionDeactivated
from pyramid_webhooks.resources.health import STRIKES
from tests.company import names_of, wait_until

HOUR = 3600.0
DAY = 24 * HOUR
#: The waits that the settings have by default, and one request at a time.
REAL = {
    'webhooks.retry_schedule': '5s 5m 30m 2h 5h 10h 14h 20h 24h',
    'webhooks.concurrency_per_subscription': '1',
}
FAILURES = 'Delivery suspended due to too many delivery failures.'


@pytest.fixture
def company(clock, make_company):
    return make_company(settings=REAL)


def numbered(count, prefix='e'):
    return [f'{prefix}{number:03}' for number in range(count)]


def of_status(company, status):
    return [each for each in company.attempts('/') if each[0] == status]


def health(company, id):
    return company.at('/', lambda m: m[id].log.health.values())


def state(company, id):
    return company.at('/', lambda m: (m[id].active, m[id].status_message))


def let_pass(company, clock, seconds, step=60.0):
    """Let time go by, in steps after each of which what is due has been dealt with."""
    engine = company.registry.getUtility(IDeliveryEngine)
    end = clock.offset + seconds
    while clock.offset < end:
        clock.forward(min(step, end - clock.offset))
        assert engine.wait_until_quiet(timeout=20)


def add_one_by_one(company, count, prefix='e'):
    for name in numbered(count, prefix):
        company.add('/NWS/OUN', name)
        company.settle()


def trip(company, receiver, count=STRIKES + 5, status=500, **keywords):
    """Let a receiver fail until its breaker opens; the id of the subscription."""
    receiver.answer(status, **keywords)
    id = company.subscribe('/', receiver.url)
    add_one_by_one(company, count)
    assert len(receiver.requests) == STRIKES
    return id


def probe_and_go_on(company, receiver, clock, count):
    """See ``count`` deliveries, and a new one, wait for a probe, and come in order after it."""
    company.add('/NWS/OUN', 'later')
    company.settle()
    assert len(receiver.requests) == STRIKES
    receiver.answer()
    let_pass(company, clock, 5)
    company.settle()
    assert names_of(receiver)[STRIKES:] == [*numbered(count), 'later']


# -- the breaker


def test_after_five_failures_in_a_row_new_deliveries_wait(company, receiver):
    trip(company, receiver)
    assert names_of(receiver) == numbered(STRIKES)
    company.add('/NWS/OUN', *numbered(50, 'f'))
    company.settle()
    assert len(receiver.requests) == STRIKES
    assert len(of_status(company, 'pending')) == STRIKES + 5 + 50


def test_what_waits_is_not_tried_and_not_given_up(company, receiver, clock):
    trip(company, receiver)
    let_pass(company, clock, 12 * HOUR, step=600)
    assert len(of_status(company, 'pending')) == STRIKES + 5
    assert company.at('/', lambda m: [list(each.log.exhausted) for each in m.values()]) == [[]]


def test_a_probe_that_succeeds_starts_the_rest_the_oldest_first(company, receiver, clock):
    id = trip(company, receiver)
    receiver.answer()
    let_pass(company, clock, 5)
    company.settle()
    assert names_of(receiver)[STRIKES:] == numbered(STRIKES + 5)
    assert health(company, id)[0] == 0
    assert of_status(company, 'pending') == []


def test_the_probe_is_one_request_and_each_wait_is_twice_as_long(company, receiver, clock):
    trip(company, receiver)
    received = []

    def note(request):
        received.append((round(clock.offset), request.json()['name']))
        return 500

    receiver.answer(note)
    let_pass(company, clock, 76, step=1)
    # The fourth time the oldest is refused, another one shows whether it is to blame.
    assert received == [(5, 'e000'), (15, 'e000'), (35, 'e000'), (35, 'e005'), (75, 'e000')]


def test_a_probe_costs_the_delivery_none_of_its_retries(company, receiver, clock):
    trip(company, receiver, count=STRIKES + 1)
    let_pass(company, clock, 3 * HOUR, step=30)
    assert max(each[1] for each in of_status(company, 'pending')) > 10
    receiver.answer()
    let_pass(company, clock, 600)
    company.settle()
    assert sorted(names_of(receiver)[-STRIKES - 1 :]) == numbered(STRIKES + 1)


def test_the_state_of_the_breaker_outlives_a_restart(company, receiver, clock):
    id = trip(company, receiver)
    before = health(company, id)
    company.restart()
    assert health(company, id) == before
    probe_and_go_on(company, receiver, clock, STRIKES + 5)


def test_the_first_probe_after_a_restart_is_one_request_too(company, receiver, clock):
    trip(company, receiver)
    company.restart()
    let_pass(company, clock, 5)
    company.settle()
    assert len(receiver.requests) == STRIKES + 1


def test_that_of_a_global_subscription_does_too(clock, make_company, receiver):
    settings = {
        'webhooks.subscriptions': 'audit',
        'webhooks.subscription.audit.to': receiver.url,
        'webhooks.subscription.audit.events': '*',
    }
    company = make_company(settings={**REAL, **settings})
    receiver.answer(500)
    add_one_by_one(company, STRIKES + 2)
    company.restart()
    probe_and_go_on(company, receiver, clock, STRIKES + 2)


def test_a_receiver_that_asks_for_time_is_not_probed_before(company, receiver, clock):
    trip(company, receiver, status=503, headers={'Retry-After': '7200'})
    receiver.answer()
    let_pass(company, clock, 7100)
    assert len(receiver.requests) == STRIKES
    let_pass(company, clock, 200)
    company.settle()
    assert names_of(receiver)[STRIKES:] == numbered(STRIKES + 5)


def test_one_delivery_that_the_receiver_does_not_like_does_not_stop_the_others(
    company, receiver, clock
):
    receiver.answer(lambda request: 500 if request.json()['name'] == 'bad' else 200)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'bad')
    let_pass(company, clock, 4 * HOUR, step=600)
    assert len(receiver.requests) >= STRIKES
    add_one_by_one(company, 3)
    let_pass(company, clock, 2 * HOUR, step=60)
    assert [each for each in names_of(receiver) if each != 'bad'] == numbered(3)


def test_one_that_flaps_is_neither_hammered_nor_forgotten(company, receiver, clock):
    """It works for one request in six: five failures open the breaker, a probe closes it."""
    received = []

    def flap(request):
        received.append(clock.offset)
        return 200 if len(received) % (STRIKES + 1) == 0 else 500

    receiver.answer(flap)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *numbered(60))
    let_pass(company, clock, 6 * HOUR)
    assert len([at for at in received if at > 2 * HOUR]) < 4 * 6 * 7, 'not hammered'
    assert max(b - a for a, b in zip(received, received[1:], strict=False)) < 700, 'not forgotten'
    assert state(company, id)[0]
    receiver.answer()
    let_pass(company, clock, DAY, step=600)
    company.settle()
    assert len(of_status(company, 'pending')) == 0
    assert set(names_of(receiver)) == set(numbered(60))


def test_a_ping_is_sent_although_the_others_wait(company, receiver, clock):
    id = trip(company, receiver)
    receiver.answer()
    company.at('/', lambda m: m[id].ping())
    company.settle()
    assert receiver.requests[STRIKES].headers['webhook-id'].startswith('msg_')
    assert names_without_ping(receiver) == numbered(STRIKES) + numbered(STRIKES + 5)


def names_without_ping(receiver):
    return [each['name'] for each in (r.json() for r in receiver.requests) if 'name' in each]


def test_what_somebody_sends_again_is_sent_although_the_others_wait(company, receiver, clock):
    id = trip(company, receiver)
    receiver.answer()
    company.at(
        '/', lambda m: [each for each in m[id].attempts.values() if each.failed()][2].retry()
    )
    company.settle()
    assert names_of(receiver)[STRIKES] == 'e002'
    assert names_of(receiver)[STRIKES + 1 :] == [
        each for each in numbered(STRIKES + 5) if each != 'e002'
    ]


# -- deactivation


def test_too_many_failures_in_a_row_deactivate_and_activation_resumes(
    clock, make_company, receiver
):
    told = []
    company = make_company(
        settings={**REAL, 'webhooks.failure_limit': '7', 'webhooks.failure_window': '0'},
        setup=lambda config: config.add_subscriber(
            lambda event: told.append(event.message), ISubscriptionDeactivated
        ),
    )
    id = trip(company, receiver)
    let_pass(company, clock, 60, step=5)
    wait_until(lambda: not state(company, id)[0])
    company.settle()
    assert state(company, id) == (False, FAILURES)
    assert told == [FAILURES]
    assert len(receiver.requests) == 7
    let_pass(company, clock, HOUR)
    assert len(receiver.requests) == 7
    receiver.answer()
    company.at('/', lambda m: m.activate(m[id]))
    company.settle()
    assert names_of(receiver)[7:] == numbered(STRIKES + 5)
    assert health(company, id)[0] == 0


def test_they_must_span_the_window(clock, make_company, receiver):
    company = make_company(
        settings={**REAL, 'webhooks.failure_limit': '8', 'webhooks.failure_window': '6h'}
    )
    id = trip(company, receiver)
    let_pass(company, clock, 5.9 * HOUR)
    assert len(receiver.requests) > 20
    assert state(company, id)[0]
    let_pass(company, clock, 0.5 * HOUR)
    company.settle()
    assert state(company, id) == (False, FAILURES)


def test_a_success_in_between_starts_anew(clock, make_company, receiver):
    company = make_company(settings={**REAL, 'webhooks.failure_limit': '3'})
    id = company.subscribe('/', receiver.url)
    for number, status in enumerate([500, 500, 200] * 3):
        receiver.answer(status)
        company.add('/NWS/OUN', f'e{number}')
        company.settle()
    assert state(company, id)[0]


def test_one_that_fails_after_its_activation_is_probed_and_deactivated_again(
    clock, make_company, receiver
):
    company = make_company(
        settings={**REAL, 'webhooks.failure_limit': '7', 'webhooks.failure_window': '0'}
    )
    id = trip(company, receiver)
    let_pass(company, clock, 60, step=5)
    wait_until(lambda: not state(company, id)[0])
    company.settle()
    company.at('/', lambda m: m.activate(m[id]))
    company.settle()
    assert names_of(receiver)[7:] == numbered(STRIKES), 'no burst'
    let_pass(company, clock, 60, step=5)
    wait_until(lambda: not state(company, id)[0])
    assert len(receiver.requests) == 14


def test_gone_deactivates_and_what_is_owed_is_kept(company, receiver, clock):
    receiver.answer(410)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *numbered(10))
    wait_until(lambda: not state(company, id)[0])
    company.settle()
    expected = 'Delivery suspended because the receiver answered 410 Gone.'
    assert state(company, id) == (False, expected)
    assert len(receiver.requests) == 1
    receiver.answer()
    company.at('/', lambda m: m.activate(m[id]))
    company.settle()
    assert names_of(receiver)[1:] == numbered(10)


def test_one_that_is_gone_gets_nothing_more_even_if_it_had_proved_itself(
    clock, make_company, receiver
):
    company = make_company(settings={'webhooks.retry_schedule': '1h'})
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *numbered(20))
    company.settle()
    receiver.answer(410)
    company.add('/NWS/OUN', *numbered(50, 'f'))
    wait_until(lambda: not state(company, id)[0])
    company.settle()
    assert len(receiver.requests) <= 20 + 8
