"""`onectl`: the commands by which registered clusters get their add-ons, with the same outputs."""

from __future__ import annotations

import click


@click.group()
def root() -> None:
    """Add-ons of registered clusters, through Spillway."""
