"""ControllerRevisions: the template history of StatefulSets and DaemonSets."""

from __future__ import annotations

from sandbox.cluster.errors import ApiError

from .context import Context
from .informer import Obj
from .objects import clone, controller_uid, owner_reference
from .revisions import template_hash

RESOURCE = "controllerrevisions.apps"
LABEL = "controller-revision-hash"


def hash_of(owner: Obj) -> str:
    """The revision label of the owner's present template."""
    return template_hash(owner["spec"]["template"])


def revisions_of(context: Context, owner: Obj) -> list[Obj]:
    """Oldest first."""
    informer = context.informer(RESOURCE)
    mine = informer.index("controller", controller_uid)[owner["metadata"]["uid"]]
    return sorted(mine, key=lambda revision: int(revision.get("revision", 0)))


async def ensure(context: Context, owner: Obj) -> Obj:
    """The revision of the owner's present template, made or moved to the newest number."""
    existing = revisions_of(context, owner)
    digest = hash_of(owner)
    newest = int(existing[-1]["revision"]) if existing else 0
    name = f"{owner['metadata']['name']}-{digest}"
    found = next((r for r in existing if r["metadata"]["name"] == name), None)
    if found is not None:
        if int(found["revision"]) < newest:
            return await context.client.update(RESOURCE, {**clone(found), "revision": newest + 1})
        return found
    template = {**clone(owner["spec"]["template"]), "$patch": "replace"}
    labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    body = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**labels, LABEL: digest},
            "ownerReferences": [owner_reference(owner)],
        },
        "data": {"spec": {"template": template}},
        "revision": newest + 1,
    }
    try:
        return await context.client.create(RESOURCE, body, owner["metadata"]["namespace"])
    except ApiError as error:
        if error.code != 409:
            raise
        return body


async def trim(context: Context, owner: Obj, in_use: set[str]) -> None:
    """Forget the oldest revisions that no pod uses, beyond revisionHistoryLimit."""
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    old = [
        revision
        for revision in revisions_of(context, owner)[:-1]
        if revision["metadata"]["labels"].get(LABEL) not in in_use
    ]
    for revision in old[: max(0, len(old) - limit)]:
        await context.remove(RESOURCE, revision)
