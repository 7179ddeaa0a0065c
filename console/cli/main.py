"""Running a command: errors become a text of what, why and how to fix it, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from click.exceptions import Abort, Exit

from console.cli import output
from console.cli.errors import CommandError
from console.cli.shell import Shell

INTERRUPTED = 130


def run(
    root: click.Command, *, name: str, argv: Sequence[str] | None = None, shell: Shell | None = None
) -> int:
    """The exit code: 0, one of `console/cli/errors.py`, or 130 after an interrupt."""
    shell = shell or Shell()
    try:
        found = root.main(argv, prog_name=name, standalone_mode=False, obj=shell)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except CommandError as error:
        tell(shell, error)
        return error.exit_code
    except Exit as end:
        return end.exit_code
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # `spillway pod list | head`: the reader has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return found if isinstance(found, int) else 0


def tell(shell: Shell, error: CommandError) -> None:
    if not shell.for_people:
        pairs = {"error": error.what, "fix": error.fix, "code": error.code}
        pairs |= {"request_id": error.request_id, **error.details}
        shell.note(output.as_json({key: value for key, value in pairs.items() if value}))
        return
    shell.note(f"Error: {error.what}")
    if error.fix:
        shell.note(f"  Fix: {error.fix}")
    if error.request_id:
        shell.note(f"  Request id: {error.request_id}")
