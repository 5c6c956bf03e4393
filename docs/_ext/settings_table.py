"""``.. webhook-settings::``: the table of settings, made from the one the code itself reads."""

from __future__ import annotations

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from pyramid_webhooks import settings


class SettingsTable(SphinxDirective):
    """One row for each setting: its name, its default, and what it means."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(settings.__file__)
        lines = ['.. list-table::', '   :header-rows: 1', '   :widths: 30 20 50', '']
        lines += row('Setting', 'Default', 'Meaning')
        for setting in settings.TABLE:
            default = f'``{setting.default}``' if setting.default else 'none'
            lines += row(f'``{settings.PREFIX}{setting.name}``', default, setting.meaning)
        lines += ['', 'For each NAME that ``webhooks.subscriptions`` lists:', '']
        for key in settings.SUBSCRIPTION_KEYS:
            lines += [f'* ``{settings.SUBSCRIPTION_PREFIX}NAME.{key}``']
        return self.parse_text_to_nodes('\n'.join(lines))


def row(name: str, default: str, meaning: str) -> list[str]:
    """The three cells of a row."""
    return [f'   * - {name}', f'     - {default}', f'     - {meaning}']


def setup(app) -> dict:
    app.add_directive('webhook-settings', SettingsTable)
    return {'version': '1', 'parallel_read_safe': True}
