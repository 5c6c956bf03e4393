"""A dialect that differs in little from the default."""

from requests.auth import HTTPBasicAuth


def includeme(config):
    config.add_webhook_dialect(
        'intranet',
        {
            'method': 'PUT',
            'headers': {'X-Company': 'NWS'},
            'auth': HTTPBasicAuth('webhooks', config.registry.settings['intranet.password']),
        },
    )
