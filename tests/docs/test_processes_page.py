"""What the page about several processes says of their databases."""

import configparser
import shlex
import subprocess
import sys

from gunicorn.config import Config

from pyramid_webhooks.settings import parse_settings
from tests.chaos.cluster import Process
from tests.chaos.member import furnish, open_company
from tests.docs.sessions import EXAMPLES
from tests.functional.test_demo_served import free_port

#: A server that can't import this package, as on a machine of its own.
SERVER = """
import sys
sys.modules['pyramid_webhooks'] = None
from ZEO.runzeo import main
main(['-C', sys.argv[1]])
"""


def test_with_its_configuration_a_server_needs_no_package_and_nobody_meets_a_conflict(
    tmp_path, receiver
):
    address = f'127.0.0.1:{free_port()}'
    text = (EXAMPLES / 'zeo.conf').read_text()
    text = text.replace('127.0.0.1:9100', address).replace('/srv/journal/var', str(tmp_path))
    configuration = tmp_path / 'zeo.conf'
    configuration.write_text(text)
    server = subprocess.Popen(
        [sys.executable, '-c', SERVER, str(configuration)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    webs = []
    try:
        uri = f'zeo://{address}?wait_timeout=30&connection_pool_size=40'
        company = open_company(uri)
        furnish(company, receiver.url_for(''), webs=2)
        webs = [Process('web', uri, number, 1, 100, 'hot', 0) for number in range(2)]
        for web in webs:
            web.wait_until_ready()
        for web in webs:
            web.go()
        assert [web.answer() for web in webs] == ['0 []\n'] * 2
        company.settle()
        company.stop()
    finally:
        for web in webs:
            web.end()
        server.terminate()
        server.wait(20)
    assert len(receiver.requests) == 200


def test_the_unit_for_gunicorn_gives_open_requests_more_time_than_they_may_take():
    unit = configparser.ConfigParser()
    unit.optionxform = str
    unit.read(EXAMPLES / 'web.service')
    service = unit['Service']
    options = shlex.split(service['ExecStart'])[1:]
    found = Config().parser().parse_args(options)
    assert found.paste == 'production.ini'
    assert found.graceful_timeout > parse_settings({}).timeout
    assert int(service['TimeoutStopSec']) > found.graceful_timeout
    assert service['KillMode'] == 'mixed'
