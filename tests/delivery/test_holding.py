"""What is in memory: what was not sent is prepared again."""

import pytest

from tests.delivery.test_shortening import Waiting


class Preparing(Waiting):
    """The engine's side of lanes of which this test is the sender."""

    def prepare(self):
        """Prepare what can be, for the senders."""
        with self.database.session() as session:
            ready, returned = self.holding.prepare(self.view(session))
        assert returned == []
        self.lanes.offer(ready)

    def collect(self):
        """Take back what was not sent."""
        for job in self.lanes.results():
            assert job.outcome is None
            self.lanes.recorded(1)
            self.holding.put_back(job)


@pytest.fixture
def preparing(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    preparing = Preparing(company)
    preparing.read()
    return preparing


@pytest.mark.parametrize('between', [0, 1])
def test_what_was_not_sent_is_prepared_again(preparing, between):
    """Be it that others were prepared since, or not."""
    preparing.prepare()
    job = preparing.lanes.take(0)
    preparing.lanes.finish(job)
    for _ in range(between):
        preparing.prepare()
    preparing.collect()
    preparing.prepare()
    assert preparing.lanes.take(0) is job
