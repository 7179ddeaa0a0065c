"""The command line: `spillway`, and `onectl` for what registered clusters know by that name.

It talks to the REST API with a token and imports nothing of the console, so that it starts at once
and runs where no database is.
"""

from __future__ import annotations

import sys


def spillway() -> None:
    from console.cli.main import run
    from console.cli.tree import root

    sys.exit(run(root, name="spillway"))


def as_onectl() -> None:
    from console.cli.main import run
    from console.cli.onectl import root

    sys.exit(run(root, name="onectl"))
