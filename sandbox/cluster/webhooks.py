"""Mutating and validating admission webhooks (``admissionregistration.k8s.io/v1``).

Rules, scope, namespaceSelector, objectSelector, failurePolicy, timeoutSeconds, sideEffects with
dryRun, reinvocation, ``url`` or ``service`` with ``caBundle``. A service is reached through
``services`` (namespace, name -> host, port) or its Endpoints. ``matchConditions`` (CEL) are not
evaluated.
"""

import asyncio
import base64
import binascii
import json
import ssl
import uuid
from collections.abc import Iterator
from typing import Any

import aiohttp
import jsonpatch

from sandbox.cluster import errors
from sandbox.cluster.admission import Attributes
from sandbox.cluster.registry import Registry
from sandbox.cluster.selectors import label_selector
from sandbox.cluster.store import Event, Store, decode, encode

Obj = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
MUTATING = f"mutatingwebhookconfigurations.{GROUP}"
VALIDATING = f"validatingwebhookconfigurations.{GROUP}"


class CallFailed(Exception):
    """A webhook could not be asked, or answered what is no answer."""


class Webhooks:
    """Asks the configured webhooks; holds the HTTP session they are asked with."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.services: dict[tuple[str, str], tuple[str, int]] = {}
        self._store = store
        self._registry = registry
        self._session: aiohttp.ClientSession | None = None
        self._hooks: dict[str, list[Obj]] = {}
        for table in (MUTATING, VALIDATING):
            store.listen(table, self._forget)

    def _forget(self, _: Event) -> None:
        self._hooks.clear()

    async def close(self) -> None:
        """Close the HTTP session."""
        if self._session:
            await self._session.close()
            self._session = None

    def _configured(self, table: str) -> list[Obj]:
        found = self._hooks.get(table)
        if found is None:
            found = [h for e in self._store.ordered(table) for h in e.obj.get("webhooks") or ()]
            self._hooks[table] = found
        return found

    async def mutate(self, attributes: Attributes) -> Obj:
        """Return the object as the mutating webhooks leave it; raises ApiError when one refuses."""
        obj = attributes.obj
        assert obj is not None
        hooks = self._configured(MUTATING)
        if not hooks or attributes.resource.group == GROUP:
            return obj
        seen: dict[int, bytes] = {}
        obj = await self._pass(attributes, obj, hooks, seen)
        again = [
            h
            for n, h in enumerate(hooks)
            if h.get("reinvocationPolicy") == "IfNeeded"
            and seen.get(n, b"") not in (b"", encode(obj))
        ]
        return await self._pass(attributes, obj, again, {}) if again else obj

    async def _pass(
        self, attributes: Attributes, obj: Obj, hooks: list[Obj], seen: dict[int, bytes]
    ) -> Obj:
        for number, hook in enumerate(hooks):
            current = attributes.replaced(obj)
            if not self._matches(hook, current):
                continue
            response = await self._ask(hook, current)
            if response is not None and response.get("patch"):
                obj = self._patched(hook, current, obj, response)
            seen[number] = encode(obj)
        return obj

    def _patched(self, hook: Obj, attributes: Attributes, obj: Obj, response: Obj) -> Obj:
        try:
            operations = json.loads(base64.b64decode(response["patch"]))
            changed = jsonpatch.apply_patch(decode(encode(obj)), operations)
        except (binascii.Error, ValueError, jsonpatch.JsonPatchException) as error:
            raise errors.internal(f'admission webhook "{hook["name"]}": {error}') from error
        req, kind = attributes.req, attributes.resource
        return self._registry.finish(req, kind, changed, attributes.subresource)

    async def validate(self, attributes: Attributes) -> None:
        """Raise ApiError when a validating webhook refuses."""
        hooks = self._configured(VALIDATING)
        if not hooks or attributes.resource.group == GROUP:
            return
        asked = [self._ask(h, attributes) for h in hooks if self._matches(h, attributes)]
        if asked:
            await asyncio.gather(*asked)

    def _matches(self, hook: Obj, attributes: Attributes) -> bool:
        if not any(_rule_matches(rule, attributes) for rule in hook.get("rules") or ()):
            return False
        test = label_selector(hook.get("objectSelector") or {})
        bodies = [b for b in (attributes.obj, attributes.old) if b is not None]
        if not any(test(b["metadata"].get("labels") or {}) for b in bodies):
            return False
        labels = self._namespace_labels(attributes)
        return labels is None or label_selector(hook.get("namespaceSelector") or {})(labels)

    def _namespace_labels(self, attributes: Attributes) -> Obj | None:
        if attributes.resource.name == "namespaces":
            body = attributes.obj or attributes.old or {"metadata": {}}
            return dict(body["metadata"].get("labels") or {})
        if not attributes.resource.namespaced:
            return None
        entry = self._store.get("namespaces", "", attributes.namespace)
        return dict(entry.obj["metadata"].get("labels") or {}) if entry else {}

    async def _ask(self, hook: Obj, attributes: Attributes) -> Obj | None:
        """Return the response, or None when the failure is ignored; raises ApiError."""
        if attributes.req.dry_run and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.bad_request(f'admission webhook "{hook["name"]}" does not support dry run')
        review = _review(attributes)
        try:
            response = await self._call(hook, review)
        except CallFailed as error:
            if hook.get("failurePolicy") == "Ignore":
                return None
            text = f'failed calling webhook "{hook["name"]}": failed to call webhook: {error}'
            raise errors.internal(text) from error
        for warning in response.get("warnings") or ():
            attributes.req.warn(warning)
        if not response.get("allowed"):
            raise _denied(hook, response)
        return response

    async def _call(self, hook: Obj, review: Obj) -> Obj:
        address, name, context = self._target(hook["clientConfig"])
        if self._session is None:
            self._session = aiohttp.ClientSession()
        seconds = int(hook.get("timeoutSeconds", 10))
        try:
            async with self._session.post(
                f"{address}?timeout={seconds}s",
                data=encode(review),
                headers={"Content-Type": "application/json"},
                ssl=context,
                server_hostname=name,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as answer:
                body = await answer.json(content_type=None)
        except TimeoutError as error:
            raise CallFailed(
                f'Post "{address}?timeout={seconds}s": context deadline exceeded'
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(f'Post "{address}?timeout={seconds}s": {error}') from error
        response = body.get("response") if isinstance(body, dict) else None
        if not isinstance(response, dict) or response.get("uid") != review["request"]["uid"]:
            raise CallFailed("expected response.uid to be the request's")
        return response

    def _target(self, config: Obj) -> tuple[str, str | None, ssl.SSLContext]:
        bundle = config.get("caBundle")
        context = ssl.create_default_context()
        if bundle:
            context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
        if config.get("url"):
            return config["url"], None, context
        service = config["service"]
        namespace, name = service["namespace"], service["name"]
        host, port = self._service(namespace, name, service.get("port", 443))
        path = service.get("path") or "/"
        return f"https://{host}:{port}{path}", f"{name}.{namespace}.svc", context

    def _service(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        known = self.services.get((namespace, name))
        if known:
            return known
        if self._store.get("services", namespace, name) is None:
            raise CallFailed(f'service "{name}" not found')
        entry = self._store.get("endpoints", namespace, name)
        for subset in (entry.obj.get("subsets") or ()) if entry else ():
            for address in subset.get("addresses") or ():
                found = subset.get("ports") or [{"port": port}]
                return address["ip"], int(found[0]["port"])
        raise CallFailed(f'no endpoints available for service "{name}"')


def _rule_matches(rule: Obj, attributes: Attributes) -> bool:
    resource = attributes.resource
    if not _one(rule.get("operations"), attributes.operation):
        return False
    if not _one(rule.get("apiGroups"), resource.group):
        return False
    if not _one(rule.get("apiVersions"), resource.version):
        return False
    scope = rule.get("scope", "*")
    if scope != "*" and (scope == "Namespaced") != resource.namespaced:
        return False
    full = resource.plural
    if attributes.subresource:
        full += "/" + attributes.subresource
    return any(wanted in _names(resource.plural, full) for wanted in rule.get("resources") or ())


def _names(plural: str, full: str) -> Iterator[str]:
    yield from (full, "*/*", f"{plural}/*")
    if plural == full:
        yield "*"
    else:
        yield "*/" + full.partition("/")[2]


def _one(values: list[str] | None, wanted: str) -> bool:
    return "*" in (values or ()) or wanted in (values or ())


def _review(attributes: Attributes) -> Obj:
    resource, user = attributes.resource, attributes.req.user
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    about = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    request: Obj = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": about,
        "requestKind": kind,
        "requestResource": about,
        "name": attributes.name,
        "namespace": attributes.namespace,
        "operation": attributes.operation,
        "userInfo": {"username": user.name, "groups": list(user.groups), "uid": user.uid},
        "object": attributes.obj,
        "oldObject": attributes.old,
        "dryRun": attributes.req.dry_run,
        "options": None,
    }
    if attributes.subresource:
        request["subResource"] = attributes.subresource
        request["requestSubResource"] = attributes.subresource
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _denied(hook: Obj, response: Obj) -> errors.ApiError:
    status = response.get("status") or {}
    text = status.get("message") or status.get("reason") or "without explanation"
    separator = " the request without explanation" if text == "without explanation" else ""
    message = f'admission webhook "{hook["name"]}" denied'
    message += separator or f" the request: {text}"
    code = int(status.get("code") or 403)
    if code < 400:
        code = 403
    return errors.ApiError(code, status.get("reason") or "Forbidden", message)
