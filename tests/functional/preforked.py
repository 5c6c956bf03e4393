"""An application for servers that fork: ``tests.functional.preforked:app``, made when imported."""

import json
import os
import threading
from pathlib import Path

from pyramid.response import Response
from pyramid_zodbconn import get_connection

from pyramid_webhooks.interfaces import IDeliveryEngine
from tests.company import Company


def fire(context, request):
    """Change the company, and tell of it."""
    number = int(request.params['number'])
    get_connection(request).root()['number'] = number
    request.webhooks.notify('company.closed', payload={'number': number}, context=context)
    return Response('fired')


def look(context, request):
    """Which process this is, and what it runs."""
    engine = request.registry.getUtility(IDeliveryEngine)
    names = [each.name for each in threading.enumerate()]
    found = {'pid': os.getpid(), 'sends': engine.running(), 'threads': names}
    return Response(json.dumps(found))


def setup(config):
    config.add_view(fire, name='fire')
    config.add_view(look, name='look')


_company = Company(
    Path(os.environ['COMPANY_FOLDER']),
    settings=json.loads(os.environ['COMPANY_SETTINGS']),
    setup=setup,
)
app = _company.start().app
