"""``.. interfaces:: MODULE``: every zope.interface of a module, in the order of its source."""

from __future__ import annotations

import importlib
import inspect

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from zope.interface import Interface
from zope.interface.interface import InterfaceClass, Method


class InterfaceListing(SphinxDirective):
    """Describe each interface with its bases, attributes and methods."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        self.env.note_dependency(module.__file__)
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, InterfaceClass) and value.__module__ == module.__name__
        ]
        lines = [f'.. py:currentmodule:: {module.__name__}', '']
        for interface in found:
            lines += described(interface)
        return self.parse_text_to_nodes('\n'.join(lines))


def described(interface: InterfaceClass) -> list[str]:
    """The lines of one interface."""
    lines = [f'.. py:class:: {interface.__name__}', '']
    bases = [base for base in interface.__bases__ if base is not Interface]
    if bases:
        named = ', '.join(f'`{base.__module__}.{base.__name__}`' for base in bases)
        lines += [f'   Extends {named}.', '']
    lines += indented(interface.__doc__, 3)
    for name, element in interface.namesAndDescriptions():
        if isinstance(element, Method):
            lines += [f'   .. py:method:: {name}{element.getSignatureString()}', '']
        else:
            lines += [f'   .. py:attribute:: {name}', '']
        lines += indented(element.__doc__, 6)
    return lines


def indented(text: str, width: int) -> list[str]:
    """A docstring's lines, indented by ``width`` spaces and closed by an empty line."""
    cleaned = inspect.cleandoc(text or '').splitlines()
    return [' ' * width + line if line else '' for line in cleaned] + ['']


def setup(app) -> dict:
    app.add_directive('interfaces', InterfaceListing)
    return {'version': '1', 'parallel_read_safe': True}
