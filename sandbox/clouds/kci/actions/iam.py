"""The little of IAM and STS (2015-11-01) that a KCI client asks: keys, projects, roles.

Response names: ``sdk-go``, iam and sts.
"""

import re
from datetime import UTC, datetime

from .. import view
from ..errors import ApiFault, denied, invalid
from ..keys import Key
from ..wire import Json, Request
from .base import Call, Nothing
from .checks import check_one_of

ROLE = re.compile(r"krn:ksc:iam::(?P<account>\d+):role/(?P<name>[\w+=,.@-]+)")
MIN_SECONDS, MAX_SECONDS = 900, 86400
PROJECTS = {0: "default", 101: "batch"}


class OfUser(Request):
    """A user by name; without one, the caller."""

    user_name: str = ""


class OneKey(Request):
    """A key by id."""

    access_key_id: str
    user_name: str = ""


class UpdateAccessKey(Request):
    """A key's new status."""

    access_key_id: str
    status: str
    user_name: str = ""


class Projects(Request):
    """Paging: ``ps`` a page, page ``pn``."""

    ps: int = 100
    pn: int = 1
    param_user_name: str = ""
    param_access_key: str = ""


class AssumeRole(Request):
    """Which role to act in, and for how many seconds."""

    role_krn: str
    role_session_name: str
    duration_seconds: int = 3600
    policy: str = ""


def list_keys(call: Call, asked: OfUser) -> Json:
    """List a user's keys without their secrets."""
    keys = call.cloud.keys.lasting(asked.user_name or call.key.user)
    members = [{**_row(key), "AkLastUsedTime": _used(key)} for key in keys]
    return {"ListAccessKeyResult": {"AccessKeyMetadata": {"Member": members}}}


def _row(key: Key) -> Json:
    return {
        "UserName": key.user,
        "AccessKeyId": key.access_key_id,
        "Status": "Inactive" if key.disabled else "Active",
        "CreateDate": view.stamp(key.created_at),
    }


def _used(key: Key) -> str:
    return "" if key.used_at is None else view.stamp(key.used_at)


def create_key(call: Call, asked: OfUser) -> Json:
    """Make a key; its secret is told only now."""
    user = asked.user_name or call.key.user
    key = call.cloud.keys.make(f"made for {user}", call.now, user=user)
    call.cloud.save_settings()
    shown = {**_row(key), "SecretAccessKey": key.access_key_secret}
    return {"CreateAccessKeyResult": {"AccessKey": shown}}


def update_key(call: Call, asked: UpdateAccessKey) -> Json:
    """Put a key in or out of use."""
    check_one_of("Status", asked.status, ("Active", "Inactive"))
    _key(call, asked).disabled = asked.status == "Inactive"
    call.cloud.save_settings()
    return {}


def delete_key(call: Call, asked: OneKey) -> Json:
    """Delete a key."""
    del call.cloud.keys.by_id[_key(call, asked).access_key_id]
    call.cloud.save_settings()
    return {}


def _key(call: Call, asked: OneKey | UpdateAccessKey) -> Key:
    for key in call.cloud.keys.lasting(asked.user_name or call.key.user):
        if key.access_key_id == asked.access_key_id:
            return key
    raise ApiFault("NoSuchEntity", f"The access key {asked.access_key_id} does not exist.", 404)


def list_all_keys(call: Call, _asked: Nothing) -> Json:
    """Tell when every key of the account was used last."""
    return {
        "AccessKeyList": [
            {
                "UserName": key.user,
                "AccessKey": key.access_key_id,
                "LastLoginTime": "",
                "AkLastUsedTime": _used(key),
            }
            for key in call.cloud.keys.lasting()
        ]
    }


def projects(call: Call, asked: Projects) -> Json:
    """List the projects that the caller sees."""
    account = call.cloud.account_id
    rows: list[Json] = [
        {
            "ProjectId": project,
            "AccountId": account,
            "ProjectName": name,
            "ProjectDesc": "",
            "Status": 1,
            "Krn": f"krn:ksc:iam::{account}:project/{project}",
            "CreateTime": "2025-01-01 08:00:00",
        }
        for project, name in PROJECTS.items()
        if call.key.sees(project)
    ]
    start = (asked.pn - 1) * asked.ps
    page = rows[start : start + asked.ps]
    return {"ListProjectResult": {"Total": len(rows), "ProjectList": page}}


def assume_role(call: Call, asked: AssumeRole) -> Json:
    """Make a temporary key for a role of this account."""
    cloud = call.cloud
    role = ROLE.fullmatch(asked.role_krn)
    if role is None:
        raise invalid("RoleKrn")
    if role["account"] != cloud.account_id:
        raise denied(call.key.user, "sts:AssumeRole")
    if not MIN_SECONDS <= asked.duration_seconds <= MAX_SECONDS:
        raise invalid("DurationSeconds", f"Expected {MIN_SECONDS} to {MAX_SECONDS}.")
    key = cloud.issue_temporary(asked.duration_seconds, call.key)
    ends = datetime.fromtimestamp(int(key.expires_at or 0), UTC)
    name, session = role["name"], asked.role_session_name
    return {
        "AssumeRoleResult": {
            "Credentials": {
                "AccessKeyId": key.access_key_id,
                "SecretAccessKey": key.access_key_secret,
                "SecurityToken": key.token,
                "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "AssumedRoleUser": {
                "Krn": f"krn:ksc:sts::{cloud.account_id}:assumed-role/{name}/{session}",
                "AssumedRoleId": f"{name}:{session}",
            },
        }
    }
