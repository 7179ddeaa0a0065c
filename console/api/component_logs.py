"""Reading the log of a component's pods: for pages and REST alike."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from addons.components import logs
from addons.models import Installation
from console.api.problems import Problem
from console.refusals import EXPLAINED, explain


def read_lines(installation: Installation, query: Mapping[str, str]) -> str:
    """The log named by `pod`, `container`, `tail` (<= 2000), `since` seconds and `previous`.

    Raises `Problem`.
    """
    tail, since = str(query.get("tail", "500")), str(query.get("since", ""))
    if not tail.isdecimal() or (since and not since.isdecimal()):
        text = _("A log is asked for by `pod`, `container`, `tail` lines and `since` seconds.")
        raise Problem("bad_log_request", text, http=400)
    try:
        return logs.lines(
            installation,
            query.get("pod", ""),
            query.get("container", ""),
            tail=int(tail),
            since_seconds=int(since) if since else None,
            previous=query.get("previous") in {"1", "true"},
        )
    except logs.NoLog as error:
        text = _("The component has no such container in this cluster.")
        raise Problem("logs_gone", text, http=404) from error
    except TimeoutError as error:
        text = _("The cluster did not answer in time.")
        raise Problem("cluster_silent", text, http=502) from error
    except EXPLAINED as error:
        raise Problem.of(explain(error)) from error
