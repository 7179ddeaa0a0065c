"""The recipe of docs/adding-a-provider.md, followed for a cloud of four small files.

One entry in the registry and nothing else: the contract, a credential by REST, a pod from beginning
to end, the compatibility check.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from addons.runtime.loop import Runtime
from kube.dial import AddressPolicy
from kube.secret import Secret
from providers import registry
from providers.base import Catalogue, Changes, Events, Logs, Placement, Quotas, Quote
from providers.models import CloudAccount, Instance
from tests.addons import cast as addons_cast
from tests.addons.pods.conftest import Control, Site, prepare, registered
from tests.conftest import World
from tests.console.cast import Cast, make_cast
from tests.providers.cloud import Place
from tests.providers.contract import ProviderContract
from tests.providers.toy.client import Toy
from tests.providers.toy.cloud import REGION, ZONE, ToyCloud, serving

RECIPE = Path(settings.BASE_DIR) / "docs/adding-a-provider.md"
ENTRY = registry.Entry(
    "tests.providers.toy.dialect.ToyDialect", "tests.providers.toy.connect.connect"
)


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one line of the registry."""
    monkeypatch.setitem(registry.PROVIDERS, "toy", ENTRY)
    yield
    registry.dialect.cache_clear()


@pytest.fixture
def toyland() -> Iterator[tuple[ToyCloud, str]]:
    with serving() as served:
        yield served


class TestToy(ProviderContract):
    absent = "toy-0"
    missing = frozenset({Catalogue, Changes, Events, Logs, Quotas, Quote})

    @pytest.fixture
    def place(self) -> Place:
        return Place(REGION, (Placement(ZONE, "net-1"),), "group-1", size="2x4")

    @pytest.fixture
    async def provider(self, toyland: tuple[ToyCloud, str]) -> AsyncIterator[Toy]:
        made = _client("toy-full", toyland[1])
        yield made
        await made.aclose()

    @pytest.fixture
    async def stranger(self, toyland: tuple[ToyCloud, str]) -> AsyncIterator[Toy]:
        made = _client("toy-none", toyland[1])
        yield made
        await made.aclose()


def _client(key: str, url: str) -> Toy:
    policy = AddressPolicy.of(allow=["127.0.0.0/8"])
    return Toy(Secret(key), region=REGION, endpoint=url, policy=policy)


@pytest.fixture
def people(transactional_db: None, settings: Any) -> Cast:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    return make_cast()


@pytest.fixture
def alice(people: Cast) -> Client:
    client = Client()
    client.force_login(people.alice)
    return client


def _add(client: Client, url: str, key: str) -> Any:
    body = {
        "name": "toys",
        "provider": "toy",
        "region": REGION,
        "endpoint": url,
        "fields": {"key": key},
    }
    return client.post(reverse("api:credentials-list"), json.dumps(body), "application/json")


def test_its_key_is_asked_for_tried_and_sealed(
    alice: Client, toyland: tuple[ToyCloud, str]
) -> None:
    listed = {row["name"]: row for row in alice.get(reverse("api:providers")).json()}
    assert [field["name"] for field in listed["toy"]["credential"]] == ["key"]
    answer = _add(alice, toyland[1], "toy-full")
    assert answer.status_code == 201, answer.content
    assert answer.json()["account_id"] == "toy-account-1"
    assert {c["action"] for c in answer.json()["capabilities"] if c["ok"]} == {
        *("list", "get", "create", "delete")
    }
    assert "toy-full" not in CloudAccount.objects.get().sealed_secret
    assert alice.get(reverse("credential", args=[answer.json()["id"]])).status_code == 200


def test_a_key_that_the_cloud_does_not_know_is_refused(
    alice: Client, toyland: tuple[ToyCloud, str]
) -> None:
    answer = _add(alice, toyland[1], "toy-unknown")
    assert (answer.status_code, answer.json()["code"]) == (422, "key_refused")
    assert not CloudAccount.objects.exists()


@pytest.fixture
def site(
    world: World, runtime: Runtime, alice: Client, toyland: tuple[ToyCloud, str], settings: Any
) -> Site:
    """A virtual node on the credential that REST has stored."""
    settings.FULL_SWEEP_SECONDS, settings.SWEEP_SECONDS = 1.0, 0.2
    account = CloudAccount.objects.get(pk=_add(alice, toyland[1], "toy-full").json()["id"])
    cluster = registered(world, account)
    node = addons_cast.node(
        cluster,
        account=account,
        name=f"toy-{uuid.uuid4().hex[:6]}",
        provider="toy",
        region=REGION,
        zone=ZONE,
        placements=[{"zone": ZONE, "subnet": "net-1"}],
        settings={"colour": "red"},
    )
    control = Control(world.facts["control_url"])
    made = Site(runtime, control, cluster, account, node, f"t-{uuid.uuid4().hex[:6]}")
    runtime.run(prepare(made), timeout=20)
    return made


def test_a_pod_runs_there_and_goes_when_the_cloud_says_so(
    site: Site, toyland: tuple[ToyCloud, str]
) -> None:
    cloud, _url = toyland
    made = site.create("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")
    pod = site.get("web")
    assert pod is not None
    [instance] = cloud.made.values()
    assert pod["metadata"]["annotations"]["toy/instance"] == instance["id"]
    assert pod["status"]["podIP"] == "10.9.0.1"
    assert instance["tags"]["spillway-pod-uid"] == made["metadata"]["uid"]
    [row] = site.rows()
    assert (row.spec, row.currency) == ("2x4", "EUR")

    site.remove("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "gone", seconds=40)
    assert [i["deleted"] for i in cloud.made.values()] == [True]
    assert [row.state for row in site.rows()] == [Instance.State.CLOSED]


def test_what_it_refuses_fails_the_pod_with_the_field_and_costs_nothing(
    site: Site, toyland: tuple[ToyCloud, str]
) -> None:
    site.create("host", hostNetwork=True)
    site.queue("host")
    site.work(lambda: site.phase("host") == "Failed", sweep=False)
    pod = site.get("host")
    assert pod is not None
    assert pod["status"]["message"].startswith("spec.hostNetwork: A toy has no host network.")
    assert toyland[0].made == {}


MANIFEST = """
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: true
  containers: [{name: app, image: nginx, resources: {limits: {cpu: 3}}}]
"""


def test_the_compatibility_check_has_it_as_a_column(alice: Client) -> None:
    answer = alice.post(
        reverse("api:compatibility"), json.dumps({"yaml": MANIFEST}), "application/json"
    )
    [workload] = answer.json()["workloads"]
    clouds = {cloud["provider"]: cloud for cloud in workload["clouds"]}
    assert set(clouds) == set(registry.PROVIDERS)
    toy = clouds["toy"]
    assert (toy["outcome"], toy["billed"]["size"]) == ("refused", "4x8")
    assert (toy["price_per_hour"], toy["currency"]) == ("0.4", "EUR")
    assert [f["path"] for f in toy["findings"] if f["effect"] == "refused"] == ["spec.hostNetwork"]


PAGES = ("overview", "nodes", "pods", "credentials", "credential-new", "node-new", "compatibility")


@pytest.mark.parametrize("name", PAGES)
def test_pages_know_it(alice: Client, toyland: tuple[ToyCloud, str], name: str) -> None:
    _add(alice, toyland[1], "toy-full")
    assert alice.get(reverse(name)).status_code == 200


def test_the_recipe_names_only_what_is_there() -> None:
    text = RECIPE.read_text()
    paths = set(re.findall(r"`((?:providers|tests|sandbox|addons|docs|console)/[\w/.]+)`", text))
    assert len(paths) > 10
    missing = [path for path in sorted(paths) if not (Path(settings.BASE_DIR) / path).exists()]
    assert missing == []
