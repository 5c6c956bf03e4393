"""One delivery to each hostile receiver, all at once; also in a process that gevent patched."""

import json
import subprocess
import sys
from pathlib import Path

from tests.chaos.site import Site
from tests.chaos.tripwire import Tripwire

CONNECT_TIMEOUT, TIMEOUT = 1.5, 2.0
SETTINGS = {
    'webhooks.connect_timeout': str(CONNECT_TIMEOUT),
    'webhooks.timeout': str(TIMEOUT),
    # Receivers that never answered before have half of it.
    'webhooks.concurrency': '200',
}
IN_GREENLETS = """
import gevent.monkey
gevent.monkey.patch_all()
import sys
from tests.chaos.hostile_round import main
main(*sys.argv[1:])
"""


def attempt_all(folder, urls, ca_bundle):
    """Return the attempt of each mode, as REST shows it."""
    with Site(folder, lambda name: [], **SETTINGS, **{'webhooks.ca_bundle': ca_bundle}) as site:
        made = {name: site.subscribe(url) for name, url in urls.items()}
        with Tripwire() as tripwire:
            site.fire()
        assert all(address[0] == '127.0.0.1' for address in tripwire.connected)
        found = {name: site.attempts(each) for name, each in made.items()}
    return {name: attempt for name, [attempt] in found.items()}


def attempt_all_in_greenlets(folder, urls, ca_bundle):
    """The same in another process, in greenlets."""
    done = subprocess.run(
        [sys.executable, '-c', IN_GREENLETS, folder, json.dumps(urls), ca_bundle],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main(folder, urls, ca_bundle):
    print(json.dumps(attempt_all(Path(folder), json.loads(urls), ca_bundle)))
