"""Users of Resource Access Management, their policies and keys (RAM 2015-05-01).

Sources: package `alibabacloud-ram20150501` 1.3.0; RAM API reference (`EntityAlreadyExists.*` and
`EntityNotExist.*`: what is asked for is so already; `LimitExceeded.User.AccessKey`: two keys a
user); STS API reference, GetCallerIdentity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from kube.secret import Secret
from providers.alibaba.connect import wire_of
from providers.alibaba.signing import Key
from providers.alibaba.wire import Wire
from providers.errors import Busy, NotFound
from providers.models import CloudAccount
from providers.vendor import POLICY_PREFIX, USER_PREFIX, AccessKey

NOBODY = f"{USER_PREFIX}0000000000"
RESOURCES = (f"acs:ram:*:*:user/{USER_PREFIX}*", f"acs:ram:*:*:policy/{POLICY_PREFIX}*")
GRANTS = (
    "ram:CreateUser",
    "ram:DeleteUser",
    "ram:GetPolicy",
    "ram:CreatePolicy",
    "ram:DeletePolicy",
    "ram:ListPolicyVersions",
    "ram:CreatePolicyVersion",
    "ram:DeletePolicyVersion",
    "ram:AttachPolicyToUser",
    "ram:DetachPolicyFromUser",
    "ram:ListPoliciesForUser",
    "ram:ListAccessKeys",
    "ram:CreateAccessKey",
    "ram:UpdateAccessKey",
    "ram:DeleteAccessKey",
)
_CUSTOM = {"PolicyType": "Custom"}


def connect(account: CloudAccount, region: str) -> Ram:
    return Ram(wire_of(account, region))


class Ram:
    """`vendor.RamUsers` of one key."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def aclose(self) -> None:
        await self.wire.aclose()

    async def _ask(self, action: str, **parameters: Any) -> dict[str, Any]:
        return await self.wire.call(action, parameters, product="ram")

    async def ensure_user(self, name: str, *, comment: str) -> None:
        try:
            await self._ask("CreateUser", UserName=name, DisplayName=name, Comments=comment)
        except Busy as error:
            if not error.code.startswith("EntityAlreadyExist"):
                raise

    async def ensure_policy(self, name: str, document: Mapping[str, Any]) -> None:
        text = msgspec.json.encode(document).decode()
        try:
            answer = await self._ask("GetPolicy", PolicyName=name, **_CUSTOM)
        except NotFound:
            await self._ask("CreatePolicy", PolicyName=name, PolicyDocument=text)
            return
        if _document(answer) != dict(document):
            await self._ask(
                "CreatePolicyVersion",
                PolicyName=name,
                PolicyDocument=text,
                SetAsDefault="true",
                RotateStrategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",
            )

    async def attach(self, policy: str, user: str) -> None:
        try:
            await self._ask("AttachPolicyToUser", PolicyName=policy, UserName=user, **_CUSTOM)
        except Busy as error:
            if not error.code.startswith("EntityAlreadyExist"):
                raise

    async def attached(self, user: str) -> Sequence[str]:
        answer = await self._ask("ListPoliciesForUser", UserName=user)
        rows = (answer.get("Policies") or {}).get("Policy") or ()
        return [str(row["PolicyName"]) for row in rows]

    async def keys(self, user: str) -> Sequence[AccessKey]:
        answer = await self._ask("ListAccessKeys", UserName=user)
        rows = (answer.get("AccessKeys") or {}).get("AccessKey") or ()
        return [AccessKey(str(row["AccessKeyId"]), row.get("Status") == "Active") for row in rows]

    async def create_key(self, user: str) -> AccessKey:
        made = (await self._ask("CreateAccessKey", UserName=user))["AccessKey"]
        return AccessKey(str(made["AccessKeyId"]), True, Secret(str(made["AccessKeySecret"])))

    async def set_key(self, user: str, key_id: str, *, active: bool) -> None:
        status = "Active" if active else "Inactive"
        await self._ask("UpdateAccessKey", UserName=user, UserAccessKeyId=key_id, Status=status)

    async def delete_key(self, user: str, key_id: str) -> None:
        await self._gone("DeleteAccessKey", UserName=user, UserAccessKeyId=key_id)

    async def detach(self, policy: str, user: str) -> None:
        await self._gone("DetachPolicyFromUser", PolicyName=policy, UserName=user, **_CUSTOM)

    async def delete_user(self, name: str) -> None:
        await self._gone("DeleteUser", UserName=name)

    async def delete_policy(self, name: str) -> None:
        """Its older versions first: RAM deletes no policy that has others than the default."""
        try:
            answer = await self._ask("ListPolicyVersions", PolicyName=name, **_CUSTOM)
        except NotFound:
            return
        for row in (answer.get("PolicyVersions") or {}).get("PolicyVersion") or ():
            if not row.get("IsDefaultVersion"):
                version = str(row["VersionId"])
                await self._gone("DeletePolicyVersion", PolicyName=name, VersionId=version)
        await self._gone("DeletePolicy", PolicyName=name)

    async def _gone(self, action: str, **parameters: Any) -> None:
        try:
            await self._ask(action, **parameters)
        except NotFound:
            return

    async def who(self, key: AccessKey) -> str:
        wire = self.wire.with_key(Key(key.id, key.secret, Secret("")))
        try:
            answer = await wire.call("GetCallerIdentity", {}, product="sts")
        finally:
            await wire.aclose()
        return str(answer.get("Arn") or "")


def _document(answer: Mapping[str, Any]) -> Any:
    """The default version's document; RAM may give it percent-encoded."""
    text = str((answer.get("DefaultPolicyVersion") or {}).get("PolicyDocument") or "")
    try:
        return msgspec.json.decode(unquote(text) if text.startswith("%") else text)
    except msgspec.DecodeError:
        return None
