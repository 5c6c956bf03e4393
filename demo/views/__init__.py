"""The pages, and what their forms do."""

from __future__ import annotations


def includeme(config) -> None:
    """Register the views of the modules in this package, and their files."""
    config.add_static_view('static', 'demo:static', cache_max_age=60)
    config.scan()
