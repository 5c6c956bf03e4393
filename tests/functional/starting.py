"""A process that starts the application when it is told to: ``python -m … URI TO``."""

import logging
import sys
from pathlib import Path

from tests.company import Company

NAMES = ('first', 'second', 'third')


def settings_for(uri, to):
    """Three subscriptions that are kept in two folders."""
    settings = {'zodbconn.uri': uri, 'webhooks.subscriptions': ' '.join(NAMES)}
    for name, path in zip(NAMES, ('/NWS', '/NWS', '/'), strict=True):
        prefix = f'webhooks.subscription.{name}.'
        settings |= {prefix + 'to': to, prefix + 'events': '*', prefix + 'path': path}
    return settings


def main(uri, to):
    logging.basicConfig(level=logging.ERROR, format='%(levelname)s %(message)s')

    def wait_for_the_word(config):
        print('ready', flush=True)
        sys.stdin.readline()

    company = Company(Path(), settings=settings_for(uri, to), setup=wait_for_the_word)
    company.start()
    print('started', flush=True)
    sys.stdin.readline()
    company.stop()


if __name__ == '__main__':
    main(*sys.argv[1:])
