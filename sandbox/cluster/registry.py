"""Create, read, update and delete: the order of steps every write goes through.

decode -> schema -> prepare -> defaults -> mutating admission -> validation -> validating admission
-> managedFields -> commit. Admission may await (webhooks), so an update is retried when another
write came between, or refused with 409 when the client named a resourceVersion.
"""

import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.cluster import crds, errors, managed, schema, strategies
from sandbox.cluster.admission import Admission, Attributes
from sandbox.cluster.clock import Clock, rfc3339
from sandbox.cluster.crds import CustomKind
from sandbox.cluster.defaults import apply_defaults
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Catalog, Resource
from sandbox.cluster.schema import Shape
from sandbox.cluster.store import Entry, Origin, Store, decode, encode
from sandbox.cluster.validation import validate

Obj = dict[str, Any]
Transform = Callable[[Entry], Obj]
ATTEMPTS = 24


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The DeleteOptions of one deletion; ``propagation`` None means the kind's default."""

    uid: str | None = None
    resource_version: str | None = None
    grace_seconds: int | None = None
    propagation: str | None = None


class Registry:
    """All writes and single reads of one cluster."""

    def __init__(
        self, store: Store, catalog: Catalog, admission: Admission, clock: Clock, rng: random.Random
    ) -> None:
        self.store = store
        self.catalog = catalog
        self.admission = admission
        self.clock = clock
        self._rng = rng

    def shape(self, resource: Resource) -> Shape:
        """Return the shape of a kind."""
        if isinstance(resource.schema, CustomKind):
            return resource.schema.shape
        return schema.of_kind(resource.group, resource.version, resource.kind)

    def entry(self, resource: Resource, namespace: str, name: str) -> Entry:
        """Return the stored entry; raises ApiError 404."""
        found = self.store.get(resource.storage, namespace, name)
        if found is None:
            raise errors.not_found(resource.plural, resource.group, name)
        return found

    def decode(self, req: Request, resource: Resource, obj: Any, subresource: str = "") -> Obj:
        """Check apiVersion and kind, drop what the schema does not know, report what is wrong."""
        if not isinstance(obj, dict):
            raise errors.bad_request("the object provided is unrecognized: must be an object")
        self._check_type(resource, obj)
        if not isinstance(obj.setdefault("metadata", {}), dict):
            raise errors.bad_request("metadata must be an object")
        found = schema.Findings(fill=not resource.custom)
        if isinstance(resource.schema, CustomKind):
            resource.schema.apply_defaults(obj)
        clean: Obj = schema.normalise(self.shape(resource), obj, "", found)
        self._report(req, resource, found)
        if found.missing and subresource != "status":
            clean["metadata"].setdefault("name", "")
            self._missing(resource, clean, found)
        clean["apiVersion"], clean["kind"] = resource.api_version, resource.kind
        clean.setdefault("metadata", {})
        return clean

    def finish(self, req: Request, resource: Resource, obj: Obj, subresource: str) -> Obj:
        """Return an object a webhook changed, cleaned and defaulted again."""
        clean = self.decode(req, resource, obj, subresource)
        if not resource.custom and subresource != "status":
            apply_defaults(resource.storage, clean)
        return clean

    def _check_type(self, resource: Resource, obj: Obj) -> None:
        given = (obj.get("apiVersion") or resource.api_version, obj.get("kind") or resource.kind)
        if given != (resource.api_version, resource.kind):
            raise errors.bad_request(
                f"the API version in the data ({given[0]}, Kind={given[1]}) does not match the "
                f"expected API version ({resource.api_version}, Kind={resource.kind})"
            )

    def _report(self, req: Request, resource: Resource, found: schema.Findings) -> None:
        if found.wrong:
            path, kind, value = found.wrong[0]
            if resource.custom:
                cause = errors.cause(
                    "FieldValueTypeInvalid",
                    path,
                    f'Invalid value: "{_go_type(value)}": {path} in body must be of type {kind}: '
                    f'"{_go_type(value)}"',
                )
                raise errors.invalid(resource.kind, resource.group, "", [cause])
            raise errors.bad_request(
                f"{resource.kind} in version {resource.version!r} cannot be handled as a "
                f"{resource.kind}: json: cannot unmarshal {_go_type(value)} into Go struct field "
                f".{path} of type {kind}".replace("'", '"')
            )
        if not found.unknown or req.strict == "Ignore":
            return
        texts = [f'unknown field "{path}"' for path in found.unknown]
        if req.strict == "Strict":
            raise errors.bad_request(
                f"{resource.kind} in version {resource.version!r} cannot be handled as a "
                f"{resource.kind}: strict decoding error: ".replace("'", '"')
                + ", ".join(texts)
            )
        for text in texts:
            req.warn(text)

    def _missing(self, resource: Resource, obj: Obj, found: schema.Findings) -> None:
        causes = [errors.cause("FieldValueRequired", p, "Required value") for p in found.missing]
        raise errors.invalid(resource.kind, resource.group, obj["metadata"]["name"], causes)

    async def create(self, req: Request, resource: Resource, namespace: str, body: Any) -> Obj:
        """Store a new object and return it; 409 AlreadyExists, 422 Invalid, 404 namespace."""
        obj = self.decode(req, resource, body)
        self._place(resource, namespace, obj)
        meta = obj["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._free_name(resource, namespace, meta["generateName"])
        uid = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        strategies.prepare_create(resource, obj, uid, rfc3339(self.clock.now()))
        if not resource.custom:
            apply_defaults(resource.storage, obj)
        attributes = Attributes("CREATE", resource, namespace, meta.get("name", ""), obj, None, req)
        obj = await self.admission.mutate(attributes)
        strategies.begin_status(resource, obj)
        self._check_free(resource, namespace, meta.get("name", ""))
        validate(resource, obj, None)
        crds.check(resource, obj)
        await self.admission.validate(attributes.replaced(obj))
        self._check_free(resource, namespace, obj["metadata"]["name"])
        self.admission.check_namespace(attributes)
        managed.track(req, resource, None, obj, shape=self.shape(resource), clock=self.clock)
        if req.dry_run:
            return obj
        entry = self.store.put(resource.storage, obj, Origin(req.user.name, req.verb or "create"))
        return entry.obj

    def _place(self, resource: Resource, namespace: str, obj: Obj) -> None:
        meta = obj["metadata"]
        if not resource.namespaced:
            meta.pop("namespace", None)
            return
        given = meta.setdefault("namespace", namespace)
        if given != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )

    def _free_name(self, resource: Resource, namespace: str, prefix: str) -> str:
        while True:
            name = strategies.generated_name(prefix, self._rng)
            if self.store.get(resource.storage, namespace, name) is None:
                return name

    def _check_free(self, resource: Resource, namespace: str, name: str) -> None:
        if self.store.get(resource.storage, namespace, name) is not None:
            raise errors.already_exists(resource.plural, resource.group, name)

    async def update(
        self,
        req: Request,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        *,
        subresource: str = "",
    ) -> Obj:
        """Replace an object (PUT) and return it; 409 on a stale resourceVersion or another uid."""
        sent = self.decode(req, resource, body, subresource)
        if sent["metadata"].get("name", name) != name:
            raise errors.bad_request(
                f"the name of the object ({sent['metadata']['name']}) does not match the name on "
                f"the URL ({name})"
            )
        self._place(resource, namespace, sent)
        sent["metadata"]["name"] = name
        encoded = encode(sent)

        def transform(_: Entry) -> Obj:
            return schema_copy(encoded)

        return await self.change(req, resource, namespace, name, transform, subresource=subresource)

    async def change(
        self,
        req: Request,
        resource: Resource,
        namespace: str,
        name: str,
        transform: Transform,
        *,
        subresource: str = "",
    ) -> Obj:
        """Run ``transform`` on the current version until it commits; returns the stored object.

        ``transform`` returns a new object. A ``metadata.resourceVersion`` or ``uid`` in it that is
        not the current one is a 409.
        """
        for _ in range(ATTEMPTS):
            entry = self.entry(resource, namespace, name)
            new = transform(entry)
            self._preconditions(resource, entry, new["metadata"])
            new = await self._prepare(req, resource, entry, new, subresource)
            if self.store.get(resource.storage, namespace, name) is entry:
                return self._commit(req, resource, entry, new, subresource)
        raise errors.conflict(resource.plural, resource.group, name)

    def _preconditions(self, resource: Resource, entry: Entry, meta: Obj) -> None:
        version = meta.get("resourceVersion")
        if version and version != str(entry.rv):
            raise errors.conflict(resource.plural, resource.group, entry.key[1])
        uid, real = meta.get("uid"), entry.obj["metadata"]["uid"]
        if uid and uid != real:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {real}"
            raise errors.conflict(resource.plural, resource.group, entry.key[1], why)

    async def _prepare(
        self, req: Request, resource: Resource, entry: Entry, new: Obj, subresource: str
    ) -> Obj:
        old = entry.obj
        strategies.prepare_update(resource, old, new, subresource)
        if not resource.custom and subresource != "status":
            apply_defaults(resource.storage, new)
        attributes = Attributes(
            "UPDATE", resource, entry.key[0], entry.key[1], new, old, req, subresource
        )
        new = await self.admission.mutate(attributes)
        validate(resource, new, old, subresource)
        crds.check(resource, new)
        await self.admission.validate(attributes.replaced(new))
        return new

    def _commit(
        self, req: Request, resource: Resource, entry: Entry, new: Obj, subresource: str
    ) -> Obj:
        managed.track(
            req,
            resource,
            entry.obj,
            new,
            subresource=subresource,
            shape=self.shape(resource),
            clock=self.clock,
        )
        new["metadata"]["resourceVersion"] = str(entry.rv)
        if _same(entry.obj, new) and not _gone(resource, new):
            return entry.obj
        if req.dry_run:
            return new
        origin = Origin(req.user.name, req.verb or "update", subresource)
        if _gone(resource, new):
            return self.store.remove(resource.storage, new, origin).obj
        return self.store.put(resource.storage, new, origin).obj

    async def delete(
        self, req: Request, resource: Resource, namespace: str, name: str, options: DeleteOptions
    ) -> tuple[Obj, bool]:
        """Delete or begin to delete; returns the last state and whether it is gone already."""
        entry = self.entry(resource, namespace, name)
        self._delete_preconditions(resource, entry, options)
        attributes = Attributes("DELETE", resource, namespace, name, None, entry.obj, req)
        await self.admission.validate(attributes)
        entry = self.entry(resource, namespace, name)
        self._delete_preconditions(resource, entry, options)
        obj = entry.copy()
        grace = _grace(resource, obj, options)
        _propagation_finalizers(obj, options)
        meta = obj["metadata"]
        waits = grace > 0 or meta.get("finalizers") or _namespace_waits(resource, obj)
        origin = Origin(req.user.name, req.verb or "delete")
        if not waits:
            if req.dry_run:
                return obj, True
            return self.store.remove(resource.storage, obj, origin).obj, True
        self._mark(resource, obj, grace)
        if req.dry_run or _same(entry.obj, obj):
            return obj, False
        return self.store.put(resource.storage, obj, origin).obj, False

    def _mark(self, resource: Resource, obj: Obj, grace: int) -> None:
        meta = obj["metadata"]
        before = meta.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" not in meta or (before is not None and grace < before):
            strategies.deletion_moment(obj, self.clock.now(), grace)
            if strategies.has_generation(resource) and before is None:
                meta["generation"] = meta.get("generation", 1) + 1
        if resource.name == "namespaces":
            obj.setdefault("status", {})["phase"] = "Terminating"

    def _delete_preconditions(
        self, resource: Resource, entry: Entry, options: DeleteOptions
    ) -> None:
        real = entry.obj["metadata"]["uid"]
        if options.uid and options.uid != real:
            why = (
                f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: "
                f"{real}"
            )
            raise errors.conflict(resource.plural, resource.group, entry.key[1], why)
        if options.resource_version and options.resource_version != str(entry.rv):
            why = (
                f"Precondition failed: ResourceVersion in precondition: "
                f"{options.resource_version}, ResourceVersion in object meta: {entry.rv}"
            )
            raise errors.conflict(resource.plural, resource.group, entry.key[1], why)

    async def delete_collection(
        self, req: Request, resource: Resource, entries: Iterable[Entry], options: DeleteOptions
    ) -> list[Obj]:
        """Delete every entry that still exists; returns their last states."""
        gone = []
        for entry in list(entries):
            if self.store.get(resource.storage, *entry.key) is not None:
                obj, _ = await self.delete(req, resource, *entry.key, options)
                gone.append(obj)
        return gone


def schema_copy(data: bytes) -> Obj:
    """Decode JSON that this server encoded."""
    copied: Obj = decode(data)
    return copied


def _go_type(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
    return names.get(type(value), "object")


def _same(old: Obj, new: Obj) -> bool:
    if old == new:
        return True
    if any(old.get(k) != new.get(k) for k in old.keys() | new.keys() if k != "metadata"):
        return False
    skip = ("managedFields",)
    before, after = old["metadata"], new["metadata"]
    if any(before.get(k) != after.get(k) for k in before.keys() | after.keys() if k not in skip):
        return False
    return managed.equal(before.get("managedFields"), after.get("managedFields"))


def _gone(resource: Resource, obj: Obj) -> bool:
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if meta.get("deletionGracePeriodSeconds"):
        return False
    return not _namespace_waits(resource, obj)


def _namespace_waits(resource: Resource, obj: Obj) -> bool:
    return resource.name == "namespaces" and bool((obj.get("spec") or {}).get("finalizers"))


def _grace(resource: Resource, obj: Obj, options: DeleteOptions) -> int:
    if resource.name != "pods":
        return 0
    spec, meta = obj["spec"], obj["metadata"]
    if not spec.get("nodeName") or obj["status"].get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.grace_seconds
    grace = spec.get("terminationGracePeriodSeconds", 30) if asked is None else max(0, asked)
    before = meta.get("deletionGracePeriodSeconds")
    return min(grace, before) if before is not None else grace


def _propagation_finalizers(obj: Obj, options: DeleteOptions) -> None:
    wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.propagation or "")
    meta = obj["metadata"]
    kept = list(meta.get("finalizers") or ())
    if options.propagation:
        kept = [f for f in kept if f not in ("foregroundDeletion", "orphan") or f == wanted]
    if wanted and wanted not in kept:
        kept.append(wanted)
    if kept:
        meta["finalizers"] = kept
    else:
        meta.pop("finalizers", None)
