"""The contract, on the simulated KCI, and on the real one when the environment has a key.

SPILLWAY_TEST_KCI_KEY, _SECRET, _REGION, _SECURITY_GROUP, _SUBNETS ("zone=id,zone=id"), _IMAGE and
_STRANGER_KEY, _STRANGER_SECRET (a key without any grant).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from kube.secret import Secret
from providers.base import Placement, Quotas, Quote
from providers.kci.client import Kci
from providers.kingsoft.signing import Key
from providers.kingsoft.wire import Wire
from tests.providers.cloud import Place
from tests.providers.contract import ProviderContract
from tests.providers.kci_cloud import IMAGE, Simulated


class KciContract(ProviderContract):
    absent = "3d9c6f5e-0000-4b5e-9c1a-7d2b9e6a1000"
    missing = frozenset({Quotas, Quote})
    idempotent = False


class TestSimulatedKci(KciContract):
    @pytest.fixture
    def place(self, kci: Simulated) -> Place:
        return kci.place

    @pytest.fixture
    def provider(self, kci: Simulated) -> Kci:
        return kci.client()

    @pytest.fixture
    def stranger(self, kci: Simulated) -> Kci:
        return kci.client(kci.keys["no permission"])


def _real(prefix: str) -> Kci:
    key = Key(
        os.environ[f"SPILLWAY_TEST_KCI_{prefix}KEY"],
        Secret(os.environ[f"SPILLWAY_TEST_KCI_{prefix}SECRET"]),
        Secret(""),
    )
    return Kci(Wire(key, region=os.environ["SPILLWAY_TEST_KCI_REGION"]))


@pytest.mark.skipif("SPILLWAY_TEST_KCI_KEY" not in os.environ, reason="no key of a real account")
class TestRealKci(KciContract):
    @pytest.fixture
    def place(self) -> Place:
        pairs = (pair.split("=") for pair in os.environ["SPILLWAY_TEST_KCI_SUBNETS"].split(","))
        return Place(
            os.environ["SPILLWAY_TEST_KCI_REGION"],
            tuple(Placement(zone, subnet) for zone, subnet in pairs),
            os.environ["SPILLWAY_TEST_KCI_SECURITY_GROUP"],
            image=os.environ.get("SPILLWAY_TEST_KCI_IMAGE", IMAGE),
            seconds=300.0,
            size="2C4G",
        )

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Kci]:
        made = _real("")
        yield made
        await made.aclose()

    @pytest.fixture
    async def stranger(self) -> AsyncIterator[Kci]:
        made = _real("STRANGER_")
        yield made
        await made.aclose()
