"""Authentication: client certificates, the admin token, ServiceAccount tokens (JWT, ES256)."""

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from sandbox.cluster import errors
from sandbox.cluster.clock import Clock
from sandbox.cluster.request import ANONYMOUS, User
from sandbox.cluster.store import Store

Obj = dict[str, Any]
ISSUER = "https://kubernetes.default.svc.cluster.local"
_POD = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_ID = "authentication.kubernetes.io/credential-id"


def account_user(namespace: str, name: str, uid: str = "", **extra: str) -> User:
    """Return the identity of a ServiceAccount."""
    return User(
        f"system:serviceaccount:{namespace}:{name}",
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"),
        uid,
        tuple((key, (value,)) for key, value in extra.items() if value),
    )


class Authenticator:
    """Turns credentials into users; ``tokens`` are the static ones."""

    def __init__(self, store: Store, clock: Clock, signing_key: bytes) -> None:
        self.tokens: dict[str, User] = {}
        self._store = store
        self._clock = clock
        self._key = signing_key
        private = serialization.load_pem_private_key(signing_key, None)
        self._public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = hashlib.sha256(self._public).hexdigest()[:16]
        self._seen: dict[str, Obj] = {}

    def user(self, header: str, certificate: Obj | None) -> User:
        """Return who calls; raises ApiError 401 on a bad token, anonymous without credentials."""
        if header:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                raise errors.unauthorized()
            return self.token_user(token.strip())
        if certificate:
            return _certificate_user(certificate)
        return ANONYMOUS

    def token_user(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User:
        """Return the user of a bearer token; raises ApiError 401."""
        for known, user in self.tokens.items():
            if hmac.compare_digest(known, token):
                return user
        claims = self._claims(token)
        if not set(claims.get("aud") or ()) & set(audiences):
            raise errors.unauthorized()
        return self._account(claims)

    def _claims(self, token: str) -> Obj:
        claims = self._seen.get(token)
        if claims is None:
            try:
                options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False}
                claims = jwt.decode(token, self._public, ["ES256"], issuer=ISSUER, options=options)
            except jwt.InvalidTokenError as error:
                raise errors.unauthorized() from error
            if len(self._seen) > 1000:
                self._seen.clear()
            self._seen[token] = claims
        if claims["exp"] < self._clock.now().timestamp():
            raise errors.unauthorized()
        return claims

    def _account(self, claims: Obj) -> User:
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        if not self._still_there("serviceaccounts", namespace, account):
            raise errors.unauthorized()
        pod = about.get("pod")
        if pod and not self._still_there("pods", namespace, pod):
            raise errors.unauthorized()
        bound = {_POD: pod["name"], _POD_UID: pod["uid"]} if pod else {}
        extra = {_ID: f"JTI={claims['jti']}", **bound}
        return account_user(namespace, account["name"], account["uid"], **extra)

    def _still_there(self, resource: str, namespace: str, reference: Obj) -> bool:
        entry = self._store.get(resource, namespace, reference["name"])
        return entry is not None and entry.obj["metadata"]["uid"] == reference["uid"]

    def issue(self, account: Obj, spec: Obj, token_id: str) -> tuple[str, Any]:
        """Return a token for a ServiceAccount and its expiry; ``spec`` is a TokenRequestSpec."""
        now = self._clock.now()
        seconds = int(spec.get("expirationSeconds") or 3600)
        until = now + timedelta(seconds=seconds)
        meta = account["metadata"]
        about: Obj = {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        }
        bound = spec.get("boundObjectRef")
        if bound:
            about[bound["kind"].lower()] = {"name": bound["name"], "uid": bound.get("uid", "")}
        claims = {
            "aud": spec.get("audiences") or [ISSUER],
            "exp": int(until.timestamp()),
            "iat": int(now.timestamp()),
            "iss": ISSUER,
            "jti": token_id,
            "kubernetes.io": about,
            "nbf": int(now.timestamp()),
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        token = jwt.encode(claims, self._key, "ES256", headers={"kid": self._key_id})
        return token, until


def _certificate_user(certificate: Obj) -> User:
    name, groups = "", []
    for part in certificate.get("subject") or ():
        for key, value in part:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    if not name:
        raise errors.unauthorized()
    return User(name, (*groups, "system:authenticated"))


def basic_token(name: str, secret: bytes) -> str:
    """Return the stable static token of a user, derived from the cluster's own secret."""
    digest = hmac.new(secret, name.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode().rstrip("=")
