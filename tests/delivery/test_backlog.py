"""A backlog that was there before anybody sent."""

from tests.company import wait_until

COUNT = 3000


def owe(company, receiver, subscriptions, events):
    """Commit events that so many subscriptions want, while nobody sends."""
    company.restart(settings={**company.settings, 'webhooks.delivery': 'worker'})
    for number in range(subscriptions):
        company.subscribe('/', receiver.url_for(f'{number}'))
    names = [f'e{number}' for number in range(events)]
    for at in range(0, events, 10):
        company.add('/NWS/OUN', *names[at : at + 10])
    return names


def test_it_is_sent_in_order_and_what_comes_later_does_not_wait_for_it(company, receiver):
    names = owe(company, receiver, 20, COUNT // 20)
    settings = {
        **company.settings,
        'webhooks.delivery': 'process',
        'webhooks.concurrency_per_subscription': '1',
    }
    company.restart(settings=settings)
    company.settle(40)
    company.add('/NWS/OUN', 'later')
    wait_until(lambda: len(receiver.requests) == COUNT + 20, timeout=5)
    by_path = {}
    for request in receiver.requests:
        by_path.setdefault(request.path, []).append(request.json()['name'])
    assert list(by_path.values()) == [[*names, 'later']] * 20
