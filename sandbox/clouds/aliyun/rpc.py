"""The RPC actions: RAM 2015-05-01, STS 2015-04-01 and, of ACS 2024-04-02, the list of image caches
(their API references). Those of BssOpenApi 2017-12-14 are in ``bss``."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..eci.cloud import Key
from ..eci.parameters import Nested, integer, required, text
from ..groups.errors import ApiFault
from .billing import Account
from .ram import Policy, Principal, Ram

Json = dict[str, Any]
RAM, STS, ACC, BSS = "2015-05-01", "2015-04-01", "2024-04-02", "2017-12-14"
PRODUCTS = {RAM: "ram", STS: "sts", ACC: "acc", BSS: "bssapi"}
MIN_SECONDS, MAX_SECONDS = 900, 43200
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_POLICY = re.compile(r"[A-Za-z0-9-]{1,128}")
_ROLE_ARN = re.compile(r"acs:ram::(?P<account>\d+):role/(?P<name>[\w.-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One authenticated RPC call; ``acs_activated`` is a knob of the account."""

    ram: Ram
    key: Key
    params: Nested
    now: float
    bills: Account
    acs_activated: bool = True

    def named(self, name: str, pattern: re.Pattern[str] = _NAME) -> str:
        """Return a mandatory name; raises ApiFault when it is malformed."""
        value = required(self.params, name)
        if not pattern.fullmatch(value):
            raise ApiFault(f"InvalidParameter.{name}.InvalidChars", f"{name} is not valid.")
        return value

    def user(self) -> Principal:
        """Return the user named, the caller's own without a name."""
        return self.ram.user(text(self.params, "UserName") or self.key.owner)


Handler = Callable[[Call], Json]


def stamp(at: float) -> str:
    """Format Unix seconds as the API does."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _user_row(user: Principal) -> Json:
    return {
        "UserId": user.id,
        "UserName": user.name,
        "DisplayName": user.display_name,
        "Comments": user.comments,
        "CreateDate": stamp(user.created_at),
    }


def create_user(call: Call) -> Json:
    """Make a RAM user."""
    display, comments = text(call.params, "DisplayName"), text(call.params, "Comments")
    user = call.ram.create_user(call.named("UserName"), display, comments, call.now)
    return {"User": _user_row(user)}


def get_user(call: Call) -> Json:
    """Show a RAM user."""
    return {"User": {**_user_row(call.user()), "UpdateDate": "", "LastLoginDate": ""}}


def list_users(call: Call) -> Json:
    """List RAM users, a page after a ``Marker``."""
    names = sorted(call.ram.state.users)
    marker, most = text(call.params, "Marker"), integer(call.params, "MaxItems", 100, 1, 1000)
    left = [name for name in names if name > marker]
    page = [_user_row(call.ram.user(name)) for name in left[:most]]
    answer: Json = {"Users": {"User": page}, "IsTruncated": len(left) > most}
    return {**answer, "Marker": left[most - 1]} if len(left) > most else answer


def delete_user(call: Call) -> Json:
    """Remove a RAM user."""
    call.ram.delete_user(required(call.params, "UserName"))
    return {}


def _key_row(key: Key) -> Json:
    return {
        "AccessKeyId": key.access_key_id,
        "Status": "Inactive" if key.disabled else "Active",
        "CreateDate": stamp(key.created_at),
    }


def create_key(call: Call) -> Json:
    """Make an AccessKey; its secret is told only now."""
    key = call.ram.create_key(call.user().name, call.now)
    return {"AccessKey": {**_key_row(key), "AccessKeySecret": key.access_key_secret}}


def list_keys(call: Call) -> Json:
    """List a user's AccessKeys without their secrets."""
    keys = call.ram.keys_of(call.user().name)
    return {"AccessKeys": {"AccessKey": [_key_row(key) for key in keys]}}


def _key(call: Call) -> Key:
    return call.ram.key_of(call.user().name, required(call.params, "UserAccessKeyId"))


def update_key(call: Call) -> Json:
    """Put an AccessKey in or out of use."""
    status = required(call.params, "Status")
    if status not in {"Active", "Inactive"}:
        raise ApiFault("InvalidParameter.Status", "Status is Active or Inactive.")
    _key(call).disabled = status == "Inactive"
    return {}


def delete_key(call: Call) -> Json:
    """Remove an AccessKey."""
    del call.ram.keys[_key(call).access_key_id]
    return {}


def key_last_used(call: Call) -> Json:
    """Tell when an AccessKey was used last."""
    used = _key(call).used_at
    return {"AccessKeyLastUsed": {"LastUsedDate": "" if used is None else stamp(used)}}


def _policy_row(call: Call, policy: Policy) -> Json:
    return {
        "PolicyName": policy.name,
        "PolicyType": policy.kind,
        "Description": policy.description,
        "DefaultVersion": "v1",
        "CreateDate": stamp(policy.created_at),
        "UpdateDate": stamp(policy.created_at),
        "AttachmentCount": call.ram.attached(policy),
    }


def _version_row(policy: Policy) -> Json:
    return {
        "VersionId": "v1",
        "IsDefaultVersion": True,
        "PolicyDocument": policy.document,
        "CreateDate": stamp(policy.created_at),
    }


def create_policy(call: Call) -> Json:
    """Make a custom policy."""
    name, document = call.named("PolicyName", _POLICY), required(call.params, "PolicyDocument")
    description = text(call.params, "Description")
    made = call.ram.create_policy(name, document, description, call.now)
    return {"Policy": _policy_row(call, made)}


def create_policy_version(call: Call) -> Json:
    """Replace the document of a custom policy; only the default version is kept."""
    document = required(call.params, "PolicyDocument")
    if text(call.params, "SetAsDefault").lower() != "true":
        raise ApiFault("InvalidParameter.SetAsDefault", "Only the default version is kept here.")
    policy = call.ram.rewrite_policy(required(call.params, "PolicyName"), document)
    return {"PolicyVersion": _version_row(policy)}


def _policy(call: Call) -> Policy:
    return call.ram.policy(required(call.params, "PolicyType"), required(call.params, "PolicyName"))


def get_policy(call: Call) -> Json:
    """Show a policy with its document."""
    policy = _policy(call)
    row = {**_policy_row(call, policy), "PolicyDocument": policy.document}
    return {"Policy": row, "DefaultPolicyVersion": _version_row(policy)}


def list_policy_versions(call: Call) -> Json:
    """List the versions of a policy: the default one."""
    return {"PolicyVersions": {"PolicyVersion": [_version_row(_policy(call))]}}


def delete_policy(call: Call) -> Json:
    """Remove a custom policy."""
    call.ram.delete_policy(required(call.params, "PolicyName"))
    return {}


def _named_user(call: Call) -> Principal:
    return call.ram.user(required(call.params, "UserName"))


def _role(call: Call) -> Principal:
    return call.ram.role(required(call.params, "RoleName"))


def _attach(of: Callable[[Call], Principal]) -> Handler:
    def attach(call: Call) -> Json:
        policy = _policy(call)
        call.ram.attach(of(call), policy.kind, policy.name, call.now)
        return {}

    return attach


def _detach(of: Callable[[Call], Principal]) -> Handler:
    def detach(call: Call) -> Json:
        policy = _policy(call)
        call.ram.detach(of(call), policy.kind, policy.name)
        return {}

    return detach


def _policies(of: Callable[[Call], Principal]) -> Handler:
    def policies(call: Call) -> Json:
        rows = []
        for tag, since in of(call).policies.items():
            policy = call.ram.policy(*tag.split("/", 1))
            rows.append({**_policy_row(call, policy), "AttachDate": stamp(since)})
        return {"Policies": {"Policy": rows}}

    return policies


def _role_row(call: Call, role: Principal) -> Json:
    return {
        "RoleId": role.id,
        "RoleName": role.name,
        "Arn": f"acs:ram::{call.ram.account_id}:role/{role.name.lower()}",
        "Description": role.comments,
        "AssumeRolePolicyDocument": role.trust,
        "MaxSessionDuration": MAX_SECONDS,
        "CreateDate": stamp(role.created_at),
        "UpdateDate": stamp(role.created_at),
    }


def create_role(call: Call) -> Json:
    """Make a role that this account's users may assume."""
    trust = required(call.params, "AssumeRolePolicyDocument")
    description = text(call.params, "Description")
    role = call.ram.create_role(call.named("RoleName"), trust, description, call.now)
    return {"Role": _role_row(call, role)}


def get_role(call: Call) -> Json:
    """Show a role."""
    return {"Role": _role_row(call, _role(call))}


def caller_identity(call: Call) -> Json:
    """STS GetCallerIdentity."""
    key, account = call.key, call.ram.account_id
    answer = {"AccountId": account, "PrincipalId": key.user_id}
    if key.token:
        arn = f"acs:ram::{account}:assumed-role/{key.owner.lower()}/session"
        return {**answer, "IdentityType": "AssumedRoleUser", "RoleId": key.user_id, "Arn": arn}
    arn = f"acs:ram::{account}:user/{key.owner}"
    return {**answer, "IdentityType": "RAMUser", "UserId": key.user_id, "Arn": arn}


def assume_role(call: Call) -> Json:
    """STS AssumeRole: a temporary key that may do what the role may."""
    found = _ROLE_ARN.fullmatch(required(call.params, "RoleArn"))
    session = call.named("RoleSessionName")
    if found is None or found["account"] != call.ram.account_id:
        raise ApiFault("InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
    seconds = integer(call.params, "DurationSeconds", 3600, MIN_SECONDS, MAX_SECONDS)
    roles = {role.name.lower(): role for role in call.ram.state.roles.values()}
    role = roles.get(found["name"].lower()) or call.ram.role(found["name"])
    key = call.ram.assume(role, seconds, call.now)
    arn = f"acs:ram::{call.ram.account_id}:role/{role.name.lower()}/{session}"
    return {
        "AssumedRoleUser": {"Arn": arn, "AssumedRoleId": f"{role.id}:{session}"},
        "Credentials": {
            "AccessKeyId": key.access_key_id,
            "AccessKeySecret": key.access_key_secret,
            "SecurityToken": key.token,
            "Expiration": stamp(key.expires_at or 0.0),
        },
    }


def list_image_caches(call: Call) -> Json:
    """ACS ListImageCaches: there are none."""
    required(call.params, "RegionId")
    if not call.acs_activated:
        text = "Container Compute Service (ACS) is not activated or authorized for this account."
        raise ApiFault("ServiceNotEnabled", text)
    return {"ImageCaches": [], "TotalCount": 0}


ACTIONS: dict[tuple[str, str], Handler] = {
    (RAM, "CreateUser"): create_user,
    (RAM, "GetUser"): get_user,
    (RAM, "ListUsers"): list_users,
    (RAM, "DeleteUser"): delete_user,
    (RAM, "CreateAccessKey"): create_key,
    (RAM, "ListAccessKeys"): list_keys,
    (RAM, "UpdateAccessKey"): update_key,
    (RAM, "DeleteAccessKey"): delete_key,
    (RAM, "GetAccessKeyLastUsed"): key_last_used,
    (RAM, "CreatePolicy"): create_policy,
    (RAM, "CreatePolicyVersion"): create_policy_version,
    (RAM, "GetPolicy"): get_policy,
    (RAM, "ListPolicyVersions"): list_policy_versions,
    (RAM, "DeletePolicy"): delete_policy,
    (RAM, "AttachPolicyToUser"): _attach(_named_user),
    (RAM, "DetachPolicyFromUser"): _detach(_named_user),
    (RAM, "ListPoliciesForUser"): _policies(_named_user),
    (RAM, "CreateRole"): create_role,
    (RAM, "GetRole"): get_role,
    (RAM, "AttachPolicyToRole"): _attach(_role),
    (RAM, "DetachPolicyFromRole"): _detach(_role),
    (RAM, "ListPoliciesForRole"): _policies(_role),
    (STS, "GetCallerIdentity"): caller_identity,
    (STS, "AssumeRole"): assume_role,
    (ACC, "ListImageCaches"): list_image_caches,
}
OPEN = frozenset({"GetCallerIdentity"})
