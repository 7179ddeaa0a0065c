"""Reviews: questions POSTed to the API about tokens and permissions, and token requests.

SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview, LocalSubjectAccessReview,
SelfSubjectReview, TokenReview, ``serviceaccounts/token``; and the metrics API, which is read only.
"""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.cluster import errors, metrics, wire
from sandbox.cluster.auth import ISSUER
from sandbox.cluster.clock import rfc3339
from sandbox.cluster.rbac import SUPERUSERS
from sandbox.cluster.request import User

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.verbs import Call

Obj = dict[str, Any]
Review = Callable[["Cluster", User, Obj, str], Obj]


async def serve(call: "Call") -> web.Response | None:
    """Answer a review, or return None when the request is no review."""
    group, plural = call.resource.group, call.resource.plural
    if group == "metrics.k8s.io":
        return metrics.serve(call)
    if call.target.subresource == "token":
        return await _token_request(call)
    review = _REVIEWS.get(call.resource.name)
    if review is None:
        return None
    if call.verb != "create":
        raise errors.method_not_allowed(plural, group)
    req = call.options()
    obj = call.cluster.registry.decode(req, call.resource, await wire.body(call.http) or {})
    obj["metadata"].pop("name", None)
    obj["status"] = review(call.cluster, call.user, obj.get("spec") or {}, call.target.namespace)
    return wire.document(obj, 201, req.warnings)


def _access(cluster: "Cluster", user: User, spec: Obj) -> Obj:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if about is None and path is None:
        raise errors.bad_request("at least one of ResourceAttributes and NonResourceAttributes")
    if path is not None:
        allowed = cluster.authorizer.allows_path(user, path.get("verb", ""), path.get("path", ""))
    else:
        about = about or {}
        resource = about.get("resource", "")
        if about.get("subresource"):
            resource += "/" + about["subresource"]
        allowed = cluster.authorizer.allows(
            user,
            about.get("verb", ""),
            about.get("group", ""),
            resource,
            namespace=about.get("namespace", ""),
            name=about.get("name", ""),
        )
    status: Obj = {"allowed": allowed}
    if allowed:
        status["reason"] = "RBAC: allowed"
    return status


def _self_access(cluster: "Cluster", user: User, spec: Obj, _: str) -> Obj:
    return _access(cluster, user, spec)


def _subject_access(cluster: "Cluster", _: User, spec: Obj, namespace: str) -> Obj:
    groups = tuple(spec.get("groups") or ())
    subject = User(spec.get("user", ""), groups, spec.get("uid", ""))
    if namespace and spec.get("resourceAttributes"):
        spec["resourceAttributes"]["namespace"] = namespace
    return _access(cluster, subject, spec)


def _rules(cluster: "Cluster", user: User, spec: Obj, _: str) -> Obj:
    if SUPERUSERS in user.groups:
        every: list[Obj] = [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ]
    else:
        every = []
    rules = every + cluster.authorizer.rules(user, spec.get("namespace", ""))
    about = [
        {k: r[k] for k in ("apiGroups", "resourceNames", "resources", "verbs") if k in r}
        for r in rules
        if "nonResourceURLs" not in r
    ]
    paths = [
        {"nonResourceURLs": r["nonResourceURLs"], "verbs": r["verbs"]}
        for r in rules
        if "nonResourceURLs" in r
    ]
    return {"resourceRules": about, "nonResourceRules": paths, "incomplete": False}


def _info(user: User) -> Obj:
    info: Obj = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra}
    return info


def _who(_cluster: "Cluster", user: User, _spec: Obj, _namespace: str) -> Obj:
    return {"userInfo": _info(user)}


def _token_review(cluster: "Cluster", _: User, spec: Obj, _namespace: str) -> Obj:
    audiences = tuple(spec.get("audiences") or (ISSUER,))
    try:
        user = cluster.authenticator.token_user(spec.get("token", ""), audiences)
    except errors.ApiError as error:
        return {"authenticated": False, "user": {}, "error": error.message}
    return {"authenticated": True, "user": _info(user), "audiences": list(audiences)}


async def _token_request(call: "Call") -> web.Response:
    cluster, target = call.cluster, call.target
    account = cluster.registry.entry(call.resource, target.namespace, target.name)
    body = await wire.body(call.http) or {}
    spec = body.get("spec") or {}
    seconds = int(spec.get("expirationSeconds") or 3600)
    if seconds < 600:
        why = errors.cause(
            "FieldValueInvalid",
            "spec.expirationSeconds",
            f"Invalid value: {seconds}: may not specify a duration less than 10 minutes",
        )
        raise errors.invalid("TokenRequest", "authentication.k8s.io", target.name, [why])
    spec = {"audiences": [ISSUER], **{k: v for k, v in spec.items() if v}}
    spec["expirationSeconds"] = seconds
    _complete_reference(call, spec)
    token, until = cluster.authenticator.issue(account.obj, spec, str(uuid.uuid4()))
    answer = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": target.name, "namespace": target.namespace},
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": rfc3339(until)},
    }
    return wire.document(answer, 201)


def _complete_reference(call: "Call", spec: Obj) -> None:
    reference = spec.get("boundObjectRef")
    if not reference:
        return
    plural = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}.get(reference.get("kind", ""))
    if plural is None:
        raise errors.bad_request(f"cannot bind token to object of type {reference.get('kind')}")
    namespace = "" if plural == "nodes" else call.target.namespace
    resource = call.cluster.catalog.named(plural)
    entry = call.cluster.registry.entry(resource, namespace, reference.get("name", ""))
    uid = entry.obj["metadata"]["uid"]
    if reference.setdefault("uid", uid) != uid:
        why = f"the UID in the bound object reference ({reference['uid']}) does not match ({uid})"
        raise errors.conflict(plural, "", reference["name"], why)


_REVIEWS: dict[str, Review] = {
    "selfsubjectaccessreviews.authorization.k8s.io": _self_access,
    "subjectaccessreviews.authorization.k8s.io": _subject_access,
    "localsubjectaccessreviews.authorization.k8s.io": _subject_access,
    "selfsubjectrulesreviews.authorization.k8s.io": _rules,
    "selfsubjectreviews.authentication.k8s.io": _who,
    "tokenreviews.authentication.k8s.io": _token_review,
}
