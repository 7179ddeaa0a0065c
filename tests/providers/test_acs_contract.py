"""The contract, on the simulated ACS cluster, and on a real one when the environment has a key.

SPILLWAY_TEST_ACS_KUBECONFIG and _STRANGER_KUBECONFIG (files), _NAMESPACE, _REGION, _SECURITY_GROUP
and _SUBNETS ("zone=vsw-…,zone=vsw-…").
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube import AddressPolicy, Kube
from providers.acs import key
from providers.acs.client import Acs
from providers.base import Catalogue, Placement, Quotas, Quote
from tests.providers.acs_cloud import Simulated
from tests.providers.cloud import Place
from tests.providers.contract import ProviderContract


class AcsContract(ProviderContract):
    absent = "sw-aaaaaaaaaaaaaaaaaaaaaaaaaa"
    missing = frozenset({Catalogue, Quotas, Quote})


class TestSimulatedAcs(AcsContract):
    @pytest.fixture
    def place(self, acs: Simulated) -> Place:
        return acs.place

    @pytest.fixture
    def provider(self, acs: Simulated) -> Acs:
        return acs.client()

    @pytest.fixture
    def stranger(self, acs: Simulated) -> Acs:
        return acs.client(acs.stranger())


def _real(prefix: str) -> Acs:
    text = Path(os.environ[f"SPILLWAY_TEST_ACS_{prefix}KUBECONFIG"]).read_text("utf-8")
    namespace = os.environ["SPILLWAY_TEST_ACS_NAMESPACE"]
    new = key.key({"kubeconfig": text, "namespace": namespace})
    access = key.opened(new.secret)
    region = os.environ["SPILLWAY_TEST_ACS_REGION"]
    kube = Kube(access.target, policy=AddressPolicy())
    return Acs(kube, region=region, namespace=access.namespace, identity=new.id)


@pytest.mark.skipif(
    "SPILLWAY_TEST_ACS_KUBECONFIG" not in os.environ, reason="no kubeconfig of an ACS cluster"
)
class TestRealAcs(AcsContract):
    @pytest.fixture
    def place(self) -> Place:
        pairs = (pair.split("=") for pair in os.environ["SPILLWAY_TEST_ACS_SUBNETS"].split(","))
        return Place(
            os.environ["SPILLWAY_TEST_ACS_REGION"],
            tuple(Placement(zone, subnet) for zone, subnet in pairs),
            os.environ["SPILLWAY_TEST_ACS_SECURITY_GROUP"],
            seconds=180.0,
        )

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Acs]:
        made = _real("")
        yield made
        await made.aclose()

    @pytest.fixture
    async def stranger(self) -> AsyncIterator[Acs]:
        made = _real("STRANGER_")
        yield made
        await made.aclose()
