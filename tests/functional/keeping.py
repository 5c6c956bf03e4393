"""Applications whose configuration keeps subscriptions in the tree."""

from pyramid_webhooks.resources.upkeep import ROOT_KEY

TO = 'http://127.0.0.1:9/'
WORKER = {'webhooks.delivery': 'worker'}


def ini(**subscriptions):
    """Settings; each subscription is a mapping of options, and has its name as ``to``, too."""
    settings = {'webhooks.subscriptions': ' '.join(subscriptions)}
    for name, options in subscriptions.items():
        for option, value in {'to': TO + name, 'events': '*', **options}.items():
            settings[f'webhooks.subscription.{name}.{option}'] = value
    return settings


def kept(company, path='/NWS'):
    """(to, active, status message) of the subscriptions at ``path``, oldest first."""

    def look(manager):
        if manager is None:
            return []
        return [(each.to, each.active, each.status_message) for each in manager.values()]

    return company.at(path, look)


def active(company, path='/NWS'):
    """The URLs of the active subscriptions at ``path``."""
    return [to for to, active, _ in kept(company, path) if active]


def indexed(company):
    """The names that the index of the primary database has."""
    return company.transact(lambda root: list(root._p_jar.root().get(ROOT_KEY, ())))


def change(company, **subscriptions):
    """Start anew with other subscriptions, or with none."""
    others = {
        key: value
        for key, value in company.settings.items()
        if not key.startswith('webhooks.subscription')
    }
    return company.restart(settings={**others, **ini(**subscriptions)})
