"""Why a command ends without success; each class has the exit code that scripts may rely on.

    CommandError            1  the thing asked for failed
      Usage                 2  the command or its arguments are wrong
      Refused               3  not now, not by you, or not in this state
      NotFound              4  there is no such thing, or it is not yours to see
      Unreachable           5  Spillway did not answer

Sent requests that come back as problem details (RFC 9457) become one of them by HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CommandError(Exception):
    """What happened and why, what to do about it, and where to look for it in the log."""

    what: str
    fix: str = ""
    code: str = ""
    request_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    exit_code = 1

    def __str__(self) -> str:
        return self.what


class Usage(CommandError):
    exit_code = 2


class Refused(CommandError):
    exit_code = 3


class NotFound(CommandError):
    exit_code = 4


class Unreachable(CommandError):
    exit_code = 5


_BY_STATUS: dict[int, type[CommandError]] = {
    400: Usage,
    401: Refused,
    403: Refused,
    404: NotFound,
    405: Usage,
    409: Refused,
    410: NotFound,
    422: Refused,
    423: Refused,
    429: Refused,
}


def of_problem(status: int, problem: Mapping[str, Any]) -> CommandError:
    """From the body of a refusal, as `console/api/problems.py` writes it."""
    kind = _BY_STATUS.get(status, CommandError)
    known = {"type", "title", "status", "code", "detail", "fix", "request_id", "errors"}
    return kind(
        what=str(problem.get("detail") or problem.get("title") or f"HTTP {status}"),
        fix=str(problem.get("fix", "")),
        code=str(problem.get("code", "")),
        request_id=str(problem.get("request_id", "")),
        details={key: value for key, value in problem.items() if key not in known},
    )
