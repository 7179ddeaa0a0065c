"""Toy's API as a provider. Its only power apart is `Verify`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp

from kube.dial import AddressPolicy, connector
from kube.secret import Secret
from providers.base import (
    Capability,
    ContainerState,
    ContainerStatus,
    Created,
    Instance,
    InstanceSpec,
    InstanceState,
    Listing,
    RunState,
    Size,
    Verification,
)
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    NotFound,
    ProviderError,
    Unavailable,
    UnknownOutcome,
)
from tests.providers.toy.dialect import billed_size

_KINDS: dict[str, type[ProviderError]] = {
    "BadKey": AccountTrouble,
    "NoGrant": AccountTrouble,
    "NoInstance": NotFound,
    "TooLarge": InvalidSpec,
    "TokenUsed": UnknownOutcome,
}
_STATES = {"start": InstanceState.STARTING, "run": InstanceState.RUNNING}
_ACTIONS = ("list", "get", "create", "delete")
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)


class Toy:
    name = "toy"
    idempotent_create = True

    def __init__(self, key: Secret, *, region: str, endpoint: str, policy: AddressPolicy) -> None:
        self.region = region
        self._key, self._endpoint, self._policy = key, endpoint, policy
        self._session: aiohttp.ClientSession | None = None

    async def create(self, spec: InstanceSpec, *, token: str) -> Created:
        size = billed_size(spec)
        body = {
            "token": token,
            "name": spec.name,
            "cpu": float(size.cpu),
            "memory": float(size.memory),
            "tags": dict(spec.tags),
            "containers": [{"name": c.name, "image": c.image} for c in spec.containers],
        }
        answer = await self._call("POST", "/instances", body)
        return Created(answer["instance"], answer["request"])

    async def get(self, instance_id: str) -> Instance:
        answer = await self._call("GET", f"/instances/{instance_id}")
        return self._instance(answer["instance"])

    async def list(self, *, tags: Mapping[str, str]) -> Listing:
        asked_at = datetime.now(UTC)
        query = {f"tag.{key}": value for key, value in tags.items()}
        found, after = [], 0
        while after is not None:
            answer = await self._call("GET", "/instances", query={**query, "after": str(after)})
            found += [self._instance(told) for told in answer["instances"]]
            after = answer["next"]
        return Listing(tuple(found), asked_at)

    async def delete(self, instance_id: str) -> str:
        return str((await self._call("DELETE", f"/instances/{instance_id}"))["request"])

    async def verify(self) -> Verification:
        who = await self._call("GET", "/who")
        checked = tuple(
            Capability(action, action in who["may"], grant=action) for action in _ACTIONS
        )
        return Verification(who["account"], "toy", checked, 1)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=connector(self._policy), timeout=_TIMEOUT
            )
        headers = {"Authorization": f"Bearer {self._key.reveal()}"}
        try:
            async with self._session.request(
                method, self._endpoint + path, json=body, params=query, headers=headers
            ) as answer:
                told: dict[str, Any] = await answer.json(content_type=None)
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(str(error), code="NoConnection") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise UnknownOutcome(type(error).__name__, code="NoAnswer") from error
        if "code" in told:
            kind = _KINDS.get(told["code"], Unavailable)
            raise kind(told["message"], code=told["code"], request_id=told["request"])
        return told

    def _instance(self, told: Mapping[str, Any]) -> Instance:
        created = datetime.fromtimestamp(told["created"], UTC)
        state = _STATES[told["state"]]
        runs = state is InstanceState.RUNNING
        run = ContainerState(
            RunState.RUNNING if runs else RunState.WAITING, started_at=created if runs else None
        )
        cpu, memory = Decimal(str(told["cpu"])), Decimal(str(told["memory"]))
        label = f"{cpu.normalize():f}x{memory.normalize():f}"
        return Instance(
            id=told["id"],
            name=told["name"],
            state=state,
            raw_state=told["state"],
            region=self.region,
            zone=told["zone"],
            ip=told["ip"],
            size=Size(cpu, memory, label),
            created_at=created,
            billed_from=created,
            containers=tuple(
                ContainerStatus(c["name"], c["image"], runs, 0, run) for c in told["containers"]
            ),
            tags=told["tags"],
        )
