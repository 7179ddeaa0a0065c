"""RAM: users, their keys and policies, roles, and what a key may do because of them.

A policy's ``Action`` patterns are looked at; its ``Resource`` and ``Condition`` are kept, shown and
not evaluated. System policies: RAM help page "System policies", the actions as far as documented.
"""

import json
import random
import string
from collections.abc import Iterable, MutableMapping
from typing import Any

import msgspec

from ..eci.cloud import Key
from ..groups.errors import ApiFault

KEYS_PER_USER = 2
FORGET_SECONDS = 24 * 3600.0
MAX_DOCUMENT = 6144
_LETTERS = string.ascii_letters + string.digits
SERVICE_POLICY = "AliyunServiceRolePolicyForECIVnode"

SYSTEM: dict[str, tuple[str, ...]] = {
    "AdministratorAccess": ("*",),
    "AliyunAccFullAccess": ("acc:*",),
    "AliyunAdcpFullAccess": ("adcp:*",),
    "AliyunCSFullAccess": ("cs:*",),
    "AliyunCSReadOnlyAccess": ("cs:Get*", "cs:List*", "cs:Describe*", "cs:Check*"),
    "AliyunECIFullAccess": (
        "eci:*",
        "ecs:DescribeSecurityGroups",
        "vpc:DescribeVSwitches",
        "vpc:DescribeVpcs",
        "vpc:DescribeEipAddresses",
    ),
    "AliyunECIReadOnlyAccess": (
        "eci:Describe*",
        "eci:List*",
        "ecs:DescribeSecurityGroups",
        "vpc:DescribeVSwitches",
        "vpc:DescribeVpcs",
    ),
    "AliyunRamFullAccess": ("ram:*",),
    SERVICE_POLICY: (
        "eci:Create*",
        "eci:Update*",
        "eci:Delete*",
        "eci:Describe*",
        "vpc:Describe*",
    ),
    "AliyunSTSAssumeRoleAccess": ("sts:AssumeRole",),
    "AliyunVPCReadOnlyAccess": ("vpc:Describe*", "vpc:List*", "vpc:Get*"),
}


class Policy(msgspec.Struct):
    """A policy; ``kind`` is System or Custom, ``document`` JSON text."""

    name: str
    kind: str
    document: str
    description: str = ""
    created_at: float = 0.0

    def actions(self, effect: str) -> list[str]:
        """Return the patterns of the statements of an effect."""
        found: list[str] = []
        for statement in json.loads(self.document)["Statement"]:
            if statement["Effect"] == effect:
                given = statement["Action"]
                found += [given] if isinstance(given, str) else given
        return found


class Principal(msgspec.Struct):
    """A user or a role; ``policies`` maps (kind, name) as ``kind/name`` to when it was attached."""

    name: str
    id: str
    created_at: float
    display_name: str = ""
    comments: str = ""
    trust: str = ""
    policies: dict[str, float] = {}


class State(msgspec.Struct):
    """What outlives the process; the keys are kept with the account's."""

    users: dict[str, Principal] = {}
    roles: dict[str, Principal] = {}
    policies: dict[str, Policy] = {}


class Ram:
    """Users, roles and policies over the account's ``keys``; ``rng`` makes ids and secrets."""

    def __init__(
        self, state: State, keys: MutableMapping[str, Key], rng: random.Random, account_id: str
    ) -> None:
        self.state = state
        self.keys = keys
        self.account_id = account_id
        self._rng = rng
        for key in keys.values():
            if not key.token and key.owner not in state.users:
                granted = {"System/AdministratorAccess": 0.0} if key.permission else {}
                state.users[key.owner] = Principal(key.owner, key.user_id, 0.0, policies=granted)

    def policy(self, kind: str, name: str) -> Policy:
        """Return a policy; raises ApiFault EntityNotExist.Policy."""
        if kind == "System" and name in SYSTEM:
            return Policy(name, kind, document_of(SYSTEM[name]), f"The system policy {name}.")
        found = self.state.policies.get(name) if kind == "Custom" else None
        if found is None:
            raise _unknown("Policy", name)
        return found

    def user(self, name: str) -> Principal:
        """Return a user; raises ApiFault EntityNotExist.User."""
        return _found(self.state.users, "User", name)

    def role(self, name: str) -> Principal:
        """Return a role; raises ApiFault EntityNotExist.Role."""
        return _found(self.state.roles, "Role", name)

    def keys_of(self, user: str) -> list[Key]:
        """Return the lasting keys of a user."""
        return [key for key in self.keys.values() if key.owner == user and not key.token]

    def create_user(self, name: str, display: str, comments: str, now: float) -> Principal:
        """Add a user; raises ApiFault EntityAlreadyExist.User."""
        if name in self.state.users:
            raise _exists("User", name)
        number = "2" + "".join(self._rng.choices(string.digits, k=17))
        self.state.users[name] = user = Principal(name, number, now, display or name, comments)
        return user

    def delete_user(self, name: str) -> None:
        """Remove a user who has nothing any more; raises ApiFault DeleteConflict.User.*."""
        user = self.user(name)
        for what, left in (("AccessKey", self.keys_of(name)), ("Policy", user.policies)):
            if left:
                text = f"It is not allowed to delete the user {name} with its {what}s."
                raise ApiFault(f"DeleteConflict.User.{what}", text, 409)
        del self.state.users[name]

    def create_key(self, user: str, now: float) -> Key:
        """Make a key that works at once; raises ApiFault LimitExceeded.User.AccessKey."""
        principal = self.user(user)
        if len(self.keys_of(user)) >= KEYS_PER_USER:
            text = f"The count of access keys beyond the current limits of {KEYS_PER_USER}."
            raise ApiFault("LimitExceeded.User.AccessKey", text, 409)
        key = self._key("LTAI5t", principal, now)
        self.keys[key.access_key_id] = key
        self._measure(principal)
        return key

    def key_of(self, user: str, key_id: str) -> Key:
        """Return a user's key; raises ApiFault EntityNotExist.User.AccessKey."""
        key = self.keys.get(key_id)
        if key is None or key.token or (user and key.owner != user):
            raise _unknown("User.AccessKey", key_id)
        return key

    def create_policy(self, name: str, document: str, description: str, now: float) -> Policy:
        """Add a custom policy; raises ApiFault when it exists or its document is no policy."""
        if name in self.state.policies:
            raise _exists("Policy", name)
        check_document(document)
        made = Policy(name, "Custom", document, description, now)
        self.state.policies[name] = made
        return made

    def rewrite_policy(self, name: str, document: str) -> Policy:
        """Make a document the default version of a custom policy; what it allows changes now."""
        check_document(document)
        policy = self.policy("Custom", name)
        policy.document = document
        for principal in self._holders(policy):
            self._measure(principal)
        return policy

    def delete_policy(self, name: str) -> None:
        """Remove a custom policy that nobody has; raises ApiFault DeleteConflict.Policy.User."""
        policy = self.policy("Custom", name)
        if self.attached(policy):
            text = f"The policy {name} is attached."
            raise ApiFault("DeleteConflict.Policy.User", text, 409)
        del self.state.policies[name]

    def attached(self, policy: Policy) -> int:
        """Return how many users and roles have a policy."""
        return len(list(self._holders(policy)))

    def attach(self, principal: Principal, kind: str, name: str, now: float) -> None:
        """Give a policy; raises ApiFault EntityAlreadyExists.User.Policy."""
        policy = self.policy(kind, name)
        if _tag(policy) in principal.policies:
            raise ApiFault("EntityAlreadyExists.User.Policy", f"{name} is attached already.", 409)
        principal.policies[_tag(policy)] = now
        self._measure(principal)

    def detach(self, principal: Principal, kind: str, name: str) -> None:
        """Take a policy back; raises ApiFault EntityNotExist.User.Policy."""
        if principal.policies.pop(f"{kind}/{name}", None) is None:
            raise _unknown("User.Policy", name)
        self._measure(principal)

    def create_role(self, name: str, trust: str, comments: str, now: float) -> Principal:
        """Add a role; raises ApiFault EntityAlreadyExist.Role."""
        if name in self.state.roles:
            raise _exists("Role", name)
        number = "3" + "".join(self._rng.choices(string.digits, k=17))
        self.state.roles[name] = role = Principal(name, number, now, name, comments, trust)
        return role

    def assume(self, role: Principal, seconds: int, now: float) -> Key:
        """Make a temporary key that may do what a role may."""
        for key in list(self.keys.values()):
            if key.expires_at is not None and now - key.expires_at > FORGET_SECONDS:
                del self.keys[key.access_key_id]
        key = self._key("STS.N", role, now)
        key.token = "CAIS" + "".join(self._rng.choices(_LETTERS, k=96))
        key.expires_at = now + seconds
        key.allowed, key.refused = self._rights(role)
        self.keys[key.access_key_id] = key
        return key

    def _key(self, prefix: str, principal: Principal, now: float) -> Key:
        return Key(
            access_key_id=prefix + "".join(self._rng.choices(_LETTERS, k=18)),
            access_key_secret="".join(self._rng.choices(_LETTERS, k=30)),
            note=f"of {principal.name}",
            user_id=principal.id,
            user=principal.name,
            allowed=[],
            created_at=now,
        )

    def _measure(self, principal: Principal) -> None:
        """Bring what a principal's keys may do in line with its policies."""
        allowed, refused = self._rights(principal)
        for key in self.keys.values():
            if key.user == principal.name and key.user_id == principal.id:
                key.allowed, key.refused = allowed, refused

    def _rights(self, principal: Principal) -> tuple[list[str], list[str]]:
        policies = [self.policy(*tag.split("/", 1)) for tag in principal.policies]
        allowed = [action for policy in policies for action in policy.actions("Allow")]
        return allowed, [action for policy in policies for action in policy.actions("Deny")]

    def _holders(self, policy: Policy) -> Iterable[Principal]:
        every = [*self.state.users.values(), *self.state.roles.values()]
        return (principal for principal in every if _tag(policy) in principal.policies)


def document_of(actions: Iterable[str]) -> str:
    """Return a policy document that allows actions on everything."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "1", "Statement": [statement]})


def check_document(text: str) -> None:
    """Refuse what is no policy document; raises ApiFault."""
    if len(text) > MAX_DOCUMENT:
        raise ApiFault("InvalidParameter.PolicyDocument.Length", "The document is too long.")
    try:
        document = json.loads(text)
        good = document["Version"] == "1" and all(map(_is_statement, document["Statement"]))
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise ApiFault("MalformedPolicyDocument", "The policy document is not well formed.")


def _is_statement(statement: Any) -> bool:
    given = statement["Action"]
    actions = [given] if isinstance(given, str) else given
    patterned = all(action == "*" or ":" in action for action in actions)
    return patterned and statement["Effect"] in {"Allow", "Deny"} and "Resource" in statement


def _tag(policy: Policy) -> str:
    return f"{policy.kind}/{policy.name}"


def _found(table: dict[str, Principal], kind: str, name: str) -> Principal:
    if name not in table:
        raise _unknown(kind, name)
    return table[name]


def _unknown(kind: str, name: str) -> ApiFault:
    return ApiFault(f"EntityNotExist.{kind}", f"The {kind.lower()} {name} does not exist.", 404)


def _exists(kind: str, name: str) -> ApiFault:
    return ApiFault(f"EntityAlreadyExist.{kind}", f"The {kind.lower()} {name} exists.", 409)
