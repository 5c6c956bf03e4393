"""Sphinx configuration of the pyramid_webhooks documentation."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / '_ext'))

project = 'pyramid_webhooks'
author = 'pyramid_webhooks contributors'
copyright = '2026, pyramid_webhooks contributors'
release = metadata.version('pyramid_webhooks')
version = '.'.join(release.split('.')[:2])

extensions = [
    'sphinx.ext.autodoc',
    'sphinx.ext.doctest',
    'interface_listing',
    'settings_table',
]
exclude_patterns = ['_build', '_ext']
default_role = 'py:obj'

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
doctest_test_doctest_blocks = ''

html_theme = 'alabaster'
html_static_path = ['_static']
html_theme_options = {
    'description': 'Outgoing webhooks for Pyramid applications on a ZODB tree',
    'fixed_sidebar': True,
    'page_width': '1180px',
    'body_max_width': '900px',
    'code_font_size': '0.8em',
    'sidebar_width': '260px',
}
