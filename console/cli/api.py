"""The one door of the command line to Spillway: its REST API.

Every call that changes something carries an Idempotency-Key, so that it may be sent again after an
answer that was lost. Redirects are not followed: they would carry the token elsewhere.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from console.cli.config import Config
from console.cli.errors import CommandError, Unreachable, of_problem

Json = dict[str, Any]
Params = Mapping[str, str | int | Sequence[str] | None]

# To connect, and for an answer: what asks clouds and clusters takes its time.
TIMEOUT = (5.0, 180.0)
TRIES = 4
# A key press waits for no more.
HASTE = (1.0, 2.0)
# What a person still waits for in all, in seconds, while Spillway says to ask again.
_LONGEST_WAIT = 60.0
_PAGE = 500
_IN_PROGRESS = "idempotency_in_progress"


class Api:
    def __init__(
        self,
        config: Config,
        *,
        sleep: Callable[[float], None] = time.sleep,
        new_key: Callable[[], str] = lambda: uuid.uuid4().hex,
        hasty: bool = False,
    ) -> None:
        """`hasty`: one try, which gives up after two seconds."""
        self._hasty = hasty
        self._config = config.complete()
        self._sleep = sleep
        self._new_key = new_key
        self._session = requests.Session()
        # What .netrc has for the host would replace the token.
        self._session.trust_env = False
        self._session.proxies.update(requests.utils.get_environ_proxies(config.url))
        self._session.verify = config.ca_file or True
        self._session.headers.update(
            {
                "Authorization": f"Bearer {config.token}",
                "Accept": "application/json",
                "Accept-Language": config.language,
                "User-Agent": "spillway-cli",
            }
        )

    def get(self, path: str, params: Params | None = None) -> Any:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Json | None = None, *, key: str = "") -> Any:
        return self._call("POST", path, body=body or {}, key=key or self._new_key())

    def patch(self, path: str, body: Json) -> Any:
        return self._call("PATCH", path, body=body, key=self._new_key())

    def delete(self, path: str, body: Json | None = None) -> Any:
        return self._call("DELETE", path, body=body, key=self._new_key())

    def pages(self, path: str, params: Params | None = None) -> Iterator[Json]:
        """Every row of a list, page after page."""
        asked: dict[str, Any] = {"limit": _PAGE, **(params or {})}
        while True:
            found = self._call("GET", path, params=asked)
            if isinstance(found, list):
                yield from found
                return
            yield from found["results"]
            following = found.get("next")
            if not following:
                return
            # Its path and host may be those of a proxy; the cursor is what matters.
            asked |= dict(parse_qsl(urlsplit(following).query))

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Json | None = None,
        key: str = "",
    ) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        failures, waited = 0, 0.0
        while True:
            try:
                answer = self._session.request(
                    method,
                    f"{self._config.url}/api/v1/{path}",
                    params={k: v for k, v in (params or {}).items() if v not in (None, "")},
                    json=body,
                    headers=headers,
                    timeout=HASTE if self._hasty else TIMEOUT,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                failures += 1
                if self._hasty or failures == TRIES:
                    raise self._unreachable(error) from error
                self._sleep(0.3 * failures)
                continue
            wait = _wait(answer)
            if wait is None or self._hasty or waited + wait > _LONGEST_WAIT:
                return _read(answer, self._config.url)
            waited += wait
            self._sleep(wait)

    def _unreachable(self, error: requests.RequestException) -> Unreachable:
        why = {
            requests.exceptions.SSLError: "its certificate is not trusted",
            requests.exceptions.ConnectTimeout: "it did not answer in time",
            requests.exceptions.ReadTimeout: "it did not answer in time",
        }.get(type(error), "the connection failed")
        fix = "Check SPILLWAY_URL and that the console runs (`/healthz`)."
        if isinstance(error, requests.exceptions.SSLError):
            fix = "Set SPILLWAY_CA_FILE to the certificate of its authority."
        return Unreachable(
            f"Spillway at {self._config.url} was not reached: {why}.",
            fix=fix,
            code="unreachable",
            details={"cause": str(error)},
        )


def _body(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.exceptions.JSONDecodeError:
        return None


def _wait(answer: requests.Response) -> float | None:
    """Seconds until it is worth asking again; None when the answer stands."""
    told = answer.headers.get("Retry-After", "")
    if answer.status_code in {429, 503} and told.isdecimal():
        return float(told)
    body = _body(answer) if answer.status_code == 409 else None
    return 1.0 if isinstance(body, dict) and body.get("code") == _IN_PROGRESS else None


def _read(answer: requests.Response, url: str) -> Any:
    body = _body(answer)
    if answer.status_code < 300:
        return body
    if isinstance(body, dict) and "code" in body:
        raise of_problem(answer.status_code, body)
    if answer.status_code >= 500:
        told = answer.headers.get("X-Request-Id", "")
        raise (
            CommandError(
                f"Spillway at {url} failed: HTTP {answer.status_code}.",
                fix="Try again; if it stays, look for the request id in the log.",
                code="server_error",
                request_id=told,
            )
            if told
            else Unreachable(f"{url} answered {answer.status_code}.", code="gateway")
        )
    raise Unreachable(
        f"{url} is not the address of a Spillway console: HTTP {answer.status_code}.",
        fix="Give the address that the browser shows, without a path.",
        code="not_spillway",
    )
