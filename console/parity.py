"""What a page is over REST: the call to copy from its menu, without the token.

Most pages are one address of the API, found by the name of the page; a view that knows better puts
a `Call` into its context as `api_call`. Filters of pages and of REST are the same, so the query of
a list goes along.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

# Where the page puts the filters that people change after it was loaded (static/js/copy.js).
QUERY = "{query}"


@dataclass(frozen=True, slots=True)
class Call:
    """`path` with its query, encoded; `body` is sent as JSON, `None`: a file `body.json` is named.

    `live`: the page's filters change without a new page, so its query is filled in when copying.
    """

    path: str
    method: str = "GET"
    body: Mapping[str, Any] | None = None
    live: bool = False

    def address(self, origin: str) -> str:
        return f"{origin}{self.path}{QUERY if self.live else ''}"

    def line(self, origin: str) -> str:
        """`GET https://console.example.com/api/v1/pods/?phase=Running`"""
        return f"{self.method} {self.address(origin)}"

    def curl(self, origin: str) -> str:
        """For a POSIX shell; the token comes from its environment."""
        words = ["curl -sS"]
        if self.method != "GET":
            words.append(f"-X {self.method}")
        words.append('-H "Authorization: Bearer $SPILLWAY_TOKEN"')
        if self.method in {"POST", "PATCH", "PUT"}:
            given = "@body.json" if self.body is None else json.dumps(self.body, ensure_ascii=False)
            words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(given)}"]
        # Quoted whatever stands in it: a query may be filled in later.
        quoted = self.address(origin).replace("'", "%27")
        return " ".join([*words, f"'{quoted}'"])


def call(name: str, *given: object, method: str = "GET", **query: object) -> Call:
    """The call of an address of `console.api.urls` by its name; empty filters are left out."""
    asked = urlencode({key: value for key, value in query.items() if value}, doseq=True)
    path = reverse(f"api:{name}", args=given)
    return Call(f"{path}?{asked}" if asked else path, method)


# Pages that show one object: the address of the API, and what names the object in the page's own.
_ONE = {
    "cluster": ("clusters-detail", "slug"),
    "cluster-tab": ("clusters-detail", "slug"),
    "component-everywhere": ("components-detail", "name"),
    "node": ("nodes-detail", "pk"),
    "pod": ("pods-detail", "pk"),
    "pod-tab": ("pods-detail", "pk"),
    "operation": ("operations-detail", "pk"),
    "fleet-upgrade": ("fleet-upgrades-detail", "pk"),
    "credential": ("credentials-detail", "pk"),
    "billing-budget": ("budgets-detail", "pk"),
}
_TABS = {
    ("pod-tab", "timeline"): "pods-timeline",
    ("pod-tab", "yaml"): "pods-manifest",
}
# Live tables: their filters are those of the API.
_LISTS = {
    "clusters": "clusters-list",
    "nodes": "nodes-list",
    "pods": "pods-list",
    "operations": "operations-list",
    "orphans": "orphans-list",
}
_PLAIN = {
    "overview": "overview",
    "components": "components-list",
    "credentials": "credentials-list",
    "billing-prices": "billing-prices",
    "billing-exports": "exports-list",
    "billing-budgets": "budgets-list",
    "billing-channels": "channels-list",
    "settings-profile": "me",
    "settings-tokens": "tokens",
}
# Questions of money: what was asked goes along, in the words of the API.
_ASKED = {
    "billing-usage": "billing-statement",
    "billing-lines": "billing-usage",
    "billing-bills": "billing-reconciliation",
    "billing-bill": "billing-reconciliation",
}
# Forms that make something: what they send.
_MAKES = {
    "cluster-new": "clusters-list",
    "cluster-new-context": "clusters-list",
    "cluster-new-check": "clusters-check-new",
    "cluster-new-identity": "clusters-list",
    "node-new": "nodes-list",
    "credential-new": "credentials-list",
    "compatibility": "compatibility",
    "billing-preview": "billing-preview",
    "billing-price-new": "billing-prices",
    "billing-discount-new": "billing-discounts",
    "billing-budget-new": "budgets-list",
}


def call_of(request: HttpRequest, asked: Sequence[tuple[str, str]] = ()) -> Call | None:
    """The call of the page that answers the request; None: the API has nothing like it.

    `asked` are the parameters of a question of money as the page understood it.
    """
    match = request.resolver_match
    name = match.url_name if match else None
    if match is None or name is None or match.namespaces:
        return None
    return _whole(name, asked) or _narrowed(name, match.kwargs, request)


def _whole(name: str, asked: Sequence[tuple[str, str]]) -> Call | None:
    """Of a page whose address names nothing."""
    if name in _LISTS:
        return replace(call(_LISTS[name]), live=True)
    if name in _ASKED:
        made = call(_ASKED[name])
        return replace(made, path=f"{made.path}?{urlencode(asked)}") if asked else made
    if name in _MAKES:
        return call(_MAKES[name], method="POST")
    return call(_PLAIN[name]) if name in _PLAIN else None


def _narrowed(name: str, given: Mapping[str, Any], request: HttpRequest) -> Call | None:
    """Of a page of one object, or with one filter."""
    if name in _ONE:
        address, key = _ONE[name]
        return call(_TABS.get((name, given.get("tab", "")), address), given[key])
    if name == "components-fleet":
        return call("installations-list", q=request.GET.get("q", ""))
    return call("components-list", cluster=given["slug"]) if name == "cluster-components" else None
