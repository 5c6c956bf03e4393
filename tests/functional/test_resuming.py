"""What becomes of requests that are under way while a receiver comes back."""

import threading
from collections import Counter

from pyramid_webhooks.testing.wire import Answer
from tests.company import add, wait_until

#: The one whose second attempt keeps the retries together, those whose second attempts fail, the
#: one that shows that the receiver is back, and the one that is under way meanwhile.
FIRST, FAILING, BACK, UNDER_WAY = 100, range(101, 106), 106, 107
NUMBERS = (FIRST, *FAILING, BACK, UNDER_WAY)


class Comeback:
    """Fails the first attempts; then it goes on as is said above."""

    def __init__(self, company):
        self.company = company
        self.lock = threading.Lock()
        self.counts = Counter()

    def __call__(self, request):
        number = request.json()['age']
        if number not in NUMBERS:
            return 200
        with self.lock:
            self.counts[number] += 1
            attempt = self.counts[number]
        if attempt == 1:
            return 503
        if attempt == 2:
            return getattr(self, self.role(number))()
        return 200

    @staticmethod
    def role(number):
        return {FIRST: 'first', BACK: 'back', UNDER_WAY: 'under_way'}.get(number, 'failing')

    def first(self):
        # By then the others have become due.
        return Answer(200, delay=1.5)

    def failing(self):
        wait_until(lambda: all(self.counts[number] == 2 for number in NUMBERS))
        return 503

    def back(self):
        wait_until(lambda: self.failed() == len(NUMBERS) + len(FAILING))
        return 200

    def under_way(self):
        wait_until(lambda: all(self.counts[number] == 3 for number in FAILING))
        return 200

    def failed(self):
        return self.company.at(
            '/', lambda manager: sum(each.log.failed for each in manager.values())
        )


def test_a_retry_under_way_when_the_breaker_closes_is_not_sent_once_more(make_company, receiver):
    company = make_company(settings={'webhooks.retry_schedule': '1s 50ms 50ms 50ms'})
    comeback = Comeback(company)
    receiver.answer(comeback)
    company.subscribe('/', receiver.url)

    def fill(context, request):
        for number in NUMBERS:
            add(context, f'{number}', request.registry.notify, age=number)
            for further in range(3):
                add(context, f'{number}-{further}', request.registry.notify)

    company.request(fill, '/NWS/OUN')
    company.add('/NWS/OUN', *[f'e{number}' for number in range(20)])
    wait_until(lambda: 'pending' not in [each[0] for each in company.attempts('/')], 20)
    expected = {number: 3 if number in FAILING else 2 for number in NUMBERS}
    assert comeback.counts == expected
    succeeded = company.at('/', lambda manager: sum(s.log.succeeded for s in manager.values()))
    assert succeeded == 4 * len(NUMBERS) + 20
