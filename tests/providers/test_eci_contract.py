"""The contract, on the simulated ECI, and on the real one when the environment has a key.

SPILLWAY_TEST_ECI_KEY, _SECRET, _REGION, _SECURITY_GROUP, _SUBNETS ("zone=vsw-…,zone=vsw-…") and
_STRANGER_KEY, _STRANGER_SECRET (a key without any grant).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from kube.secret import Secret
from providers.base import Placement
from providers.eci.client import Eci
from providers.eci.wire import Key, Wire
from tests.providers.cloud import Place, Simulated
from tests.providers.contract import ProviderContract


class TestSimulatedEci(ProviderContract):
    @pytest.fixture
    def place(self, eci: Simulated) -> Place:
        return eci.place

    @pytest.fixture
    def provider(self, eci: Simulated) -> Eci:
        return eci.client()

    @pytest.fixture
    def stranger(self, eci: Simulated) -> Eci:
        return eci.client(eci.keys["no permission"])


def _real(prefix: str) -> Eci:
    key = Key(
        os.environ[f"SPILLWAY_TEST_ECI_{prefix}KEY"],
        Secret(os.environ[f"SPILLWAY_TEST_ECI_{prefix}SECRET"]),
        Secret(""),
    )
    return Eci(Wire(key, region=os.environ["SPILLWAY_TEST_ECI_REGION"]))


@pytest.mark.skipif("SPILLWAY_TEST_ECI_KEY" not in os.environ, reason="no key of a real account")
class TestRealEci(ProviderContract):
    @pytest.fixture
    def place(self) -> Place:
        pairs = (pair.split("=") for pair in os.environ["SPILLWAY_TEST_ECI_SUBNETS"].split(","))
        return Place(
            os.environ["SPILLWAY_TEST_ECI_REGION"],
            tuple(Placement(zone, subnet) for zone, subnet in pairs),
            os.environ["SPILLWAY_TEST_ECI_SECURITY_GROUP"],
            seconds=180.0,
        )

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Eci]:
        made = _real("")
        yield made
        await made.aclose()

    @pytest.fixture
    async def stranger(self) -> AsyncIterator[Eci]:
        made = _real("STRANGER_")
        yield made
        await made.aclose()
