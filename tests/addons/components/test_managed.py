"""Add-ons changed through the vendor's own API, by the real steps."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from addons.components import gates, manage, managed
from addons.models import Operation
from addons.runtime.loop import Runtime
from kube.secret import Secret
from providers import sealing
from tests.addons import cast
from tests.addons.components.conftest import Place
from tests.addons.pods.conftest import registered
from tests.conftest import World

API_SERVER = "kube-apiserver"
GATE = "ACSPodResourcesMutation=true"


@dataclass
class Ack(Place):
    """The ACK Pro cluster of the world; its account reaches Container Service."""

    control: str = ""

    def tell(self, method: str, path: str, body: Any) -> None:
        """To the world's control API."""
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.control}{path}", data, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=5):
            pass

    def plant(self, action: str, **fault: Any) -> None:
        self.tell("POST", "/aliyun/faults", {"action": action, **fault})

    def turn(self, **knobs: Any) -> None:
        self.tell("PUT", "/aliyun/knobs", knobs)

    def held(self) -> dict[str, Any]:
        """The API server's parameters at the vendor."""

        async def ask() -> dict[str, Any]:
            from addons.components.vendors import vendor_of

            async with vendor_of(self.runtime, self.cluster) as vendor:
                return (await vendor.api.addon(vendor.cluster_id, API_SERVER)).config

        return self.runtime.run(ask(), timeout=10)


@pytest.fixture
def ack(world: World, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ack]:
    monkeypatch.setattr(manage, "runtime", lambda: runtime)
    monkeypatch.setattr(gates, "runtime", lambda: runtime)
    monkeypatch.setattr(managed, "POLL_SECONDS", 0.05)
    cloud, eci = world.facts["clouds"]["aliyun"], world.facts["clouds"]["eci"]
    key = next(one for one in cloud["keys"] if one["note"] == "full access")
    account = cast.account(
        provider="eci",
        region="cn-hangzhou",
        endpoint=eci["endpoint"],
        settings={"endpoints": dict.fromkeys(("cs", "ram", "acc"), cloud["cs_endpoint"])},
    )
    secret = Secret(key["access_key_secret"])
    sealing.seal_into(account, key_id=key["access_key_id"], secret=secret, token=Secret(""))
    account.save()
    cluster = registered(world, account)
    cluster.version, cluster.kind = "v1.36.1-aliyun.1", "ack"
    cluster.save()
    made = Ack(runtime, cluster, account, control=world.facts["control_url"])
    made.turn(stage_seconds=0.05)
    yield made
    made.tell("POST", "/reset", {})


def configured(ack: Ack, **values: Any) -> Operation:
    action = "configure" if ack.row(API_SERVER) else "install"
    return ack.run(API_SERVER, action, values=values)


def test_feature_gates_are_set_beside_those_of_others_and_taken_back(ack: Ack) -> None:
    done = configured(ack, featureGates=GATE)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held()["featureGates"] == GATE
    ack.cluster.refresh_from_db()
    assert ack.cluster.vendor_facts["kind"] == "ack-pro"
    done = configured(ack, featureGates="Other=false", maxRequestsInflight="500")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"featureGates": "Other=false", "maxRequestsInflight": "500"}
    done = ack.run(API_SERVER, "rollback")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {"featureGates": GATE}
    done = ack.run(API_SERVER, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ack.held() == {}
    assert ack.row(API_SERVER) is None
