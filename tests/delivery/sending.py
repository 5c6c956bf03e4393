"""What tests of sending have in common: a policy, a request and a resolver."""

import socket

import requests

from pyramid_webhooks.delivery.destination import DestinationPolicy

LOOPBACK = DestinationPolicy(allow_http=True, allowed_networks=['127.0.0.0/8', '::1/128'])


def prepared(url, body=b'{}', headers=None, method='POST'):
    """Fill a request by hand, with no more than the adapter needs."""
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    request.headers = {'Content-Type': 'application/json'} if headers is None else headers
    return request


def resolver(*addresses):
    """Return a resolver that answers so, and the names it was asked for."""
    asked = []

    def look_up(host, port, type):
        asked.append(host)
        return [
            (socket.AF_INET6 if ':' in address else socket.AF_INET, type, 6, '', (address, 9))
            for address in addresses
        ]

    return look_up, asked
