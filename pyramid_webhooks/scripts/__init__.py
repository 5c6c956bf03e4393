"""The ``pwebhooks`` command: webhooks for people at a terminal, and for their scripts."""
