"""``.. interfaces:: MODULE``: every zope.interface of a module, in the order of its source.

Also lets autodoc name interfaces, which are not classes, in annotations.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re

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
        signatures = signatures_in(module)
        lines = [f'.. py:currentmodule:: {module.__name__}', '']
        for value in vars(module).values():
            if isinstance(value, InterfaceClass) and value.__module__ == module.__name__:
                lines += described(value, signatures)
        return self.parse_text_to_nodes('\n'.join(lines))


def signatures_in(module) -> dict[tuple[str, str], str]:
    """The arguments of every method as they are written; zope.interface forgets some kinds."""
    return {
        (node.name, method.name): ast.unparse(method.args)
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef)
    }


def described(interface: InterfaceClass, signatures: dict[tuple[str, str], str]) -> list[str]:
    """The lines of one interface."""
    lines = [f'.. py:class:: {interface.__name__}', '']
    bases = [base for base in interface.__bases__ if base is not Interface]
    if bases:
        named = ', '.join(f'`{base.__module__}.{base.__name__}`' for base in bases)
        lines += [f'   Extends {named}.', '']
    lines += indented(interface.__doc__, 3)
    for name, element in interface.namesAndDescriptions():
        if isinstance(element, Method):
            arguments = signatures[interface.__name__, name]
            lines += [f'   .. py:method:: {name}({arguments})', '']
        else:
            lines += [f'   .. py:attribute:: {name}', '']
        lines += indented(element.__doc__, 6)
    return lines


def indented(text: str, width: int) -> list[str]:
    """A docstring's lines, indented by ``width`` spaces and closed by an empty line."""
    cleaned = inspect.cleandoc(text or '').splitlines()
    return [' ' * width + line if line else '' for line in cleaned] + ['']


def name_interfaces(app, what, name, obj, options, signature, returned):
    """Write an interface in a signature by its name."""
    named = [
        text and re.sub(r'<InterfaceClass (?:\w+\.)*(\w+)>', r'\1', text)
        for text in (signature, returned)
    ]
    return tuple(named)


def setup(app) -> dict:
    app.add_directive('interfaces', InterfaceListing)
    app.connect('autodoc-process-signature', name_interfaces)
    return {'version': '1', 'parallel_read_safe': True}
