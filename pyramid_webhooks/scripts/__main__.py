"""``python -m pyramid_webhooks.scripts`` is ``pwebhooks``."""

import sys

from pyramid_webhooks.scripts.entry import main

if __name__ == '__main__':
    sys.exit(main())
