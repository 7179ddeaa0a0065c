"""No secret comes out: each is planted through forms and REST, then everything is searched.

Searched: every page and API answer, error pages, websocket frames, log records, Celery messages
and whatever else lies in Redis, and the whole database file (audit, sessions, idempotency).
"""

from __future__ import annotations

import base64
import html
import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
import yaml
from asgiref.sync import async_to_sync, sync_to_async
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection
from django.test import Client
from django.urls import reverse

from addons.announce import announce, blocking_client
from addons.models import Cluster
from addons.runtime.loop import Runtime
from console.live.hub import hub
from console.models import Channel
from providers.models import CloudAccount
from tests.conftest import RedisServer, World
from tests.console import cast as make
from tests.console.browser import Browser
from tests.console.cast import Cast, Fleet
from tests.console.expectations import API, PAGES
from tests.console.test_matrix import QUERIES, url_of


@dataclass
class Search:
    """What was planted and where it must not be found."""

    planted: dict[str, str] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def plant(self, name: str, value: str = "") -> str:
        self.planted[name] = value or f"canary-{secrets.token_hex(12)}+/&<é"
        return self.planted[name]

    def look(self, where: str, text: str | bytes) -> None:
        self.texts.append(
            (where, text if isinstance(text, str) else text.decode("utf-8", "replace"))
        )

    def found(self) -> list[str]:
        forms = {form: name for name, value in self.planted.items() for form in spellings(value)}
        return sorted(
            {
                f"{name} in {where}"
                for where, text in self.texts
                for form, name in forms.items()
                if form in text
            }
        )


def spellings(value: str) -> set[str]:
    """As it is, and as JSON, HTML, an address, base64 or Python's repr would write it."""
    plain = base64.b64encode(value.encode()).decode().rstrip("=")
    return {
        *(value, json.dumps(value)[1:-1], html.escape(value), quote(value), quote(value, safe="")),
        *(plain[: len(plain) // 4 * 4], repr(value)[1:-1]),
    }


@pytest.mark.parametrize("number", range(6))
def test_search_finds_what_is_planted(number: int) -> None:
    search = Search()
    value = search.plant("secret")
    assert search.found() == []
    ways = sorted(spellings(value))
    search.look("a log line", f"key={ways[number % len(ways)]} refused")
    assert search.found() == ["secret in a log line"]


def _client_certificate() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spillway")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(pem).decode(), private.decode()


def _kubeconfig(server: str, **user: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
    )


@pytest.fixture
def connected(
    runtime: Runtime, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    for module in (
        *("addons.pods.inspect", "addons.pods.control", "addons.nodes.install"),
        *("addons.clusters.register", "addons.keys", "console.api.credentials"),
        *("console.supply", "console.pairs", "console.views.add_node"),
        "console.billing.budgets.manage",
    ):
        monkeypatch.setattr(f"{module}.runtime", lambda: runtime)
    blocking_client.cache_clear()
    yield
    blocking_client.cache_clear()


class House:
    """Alice at work with secrets; every answer she gets is kept for the search."""

    def __init__(self, search: Search, cast: Cast, world: World) -> None:
        self.search, self.cast, self.world = search, cast, world
        self.client = Client(raise_request_exception=False)

    def post(self, name: str, data: Any, *args: Any, form: bool = True) -> Any:
        url = reverse(name, args=args)
        kind = {} if form else {"content_type": "application/json"}
        body = data if form else json.dumps(data)
        answer = self.client.post(url, body, headers={"Idempotency-Key": name}, **kind)
        self.search.look(
            f"POST {name} {answer.status_code}", answer.content + self._headers(answer)
        )
        return answer

    def get(self, line: str, url: str) -> None:
        answer = self.client.get(url + QUERIES.get(line, ""))
        self.search.look(f"{line} {answer.status_code}", answer.content + self._headers(answer))

    def _headers(self, answer: Any) -> bytes:
        cookies = [morsel.value for morsel in answer.cookies.values()]
        return f"{dict(answer.headers)} {cookies}".encode()

    def sign_in(self) -> None:
        right, wrong = self.search.plant("password"), self.search.plant("wrong password")
        self.cast.alice.set_password(right)
        self.cast.alice.save()
        self.post("login", {"username": "alice", "password": wrong})
        assert self.post("login", {"username": "alice", "password": right}).status_code == 302

    def credentials(self, monkeypatch: pytest.MonkeyPatch) -> CloudAccount:
        """A key that works by the form, others that do not by REST, one that breaks us."""
        cloud = self.world.facts["clouds"]["eci"]
        key = cloud["keys"][0]
        given = {
            "name": "key",
            "provider": "eci",
            "region": cloud.get("region", "cn-hangzhou"),
            "endpoint": cloud["endpoint"],
            "access_key_id": key["access_key_id"],
            "access_key_secret": self.search.plant("key secret", key["access_key_secret"]),
        }
        assert self.post("credential-new", given).status_code == 302
        account = CloudAccount.objects.get()
        bad = {
            **given,
            "name": "bad",
            "access_key_secret": self.search.plant("refused key secret"),
            "security_token": self.search.plant("security token"),
        }
        assert self.post("api:credentials-list", bad, form=False).status_code == 422
        assert self.post("credential-new", bad).status_code == 422
        self.post("credential-rotate", bad, account.pk)
        self.post("api:credentials-rotate", bad, account.pk, form=False)
        self.post("api:credentials-list", {**bad, "provider": "x"}, form=False)

        self._keys_of_other_clouds()

        def break_down(**given: Any) -> None:
            raise RuntimeError(f"cannot store {given}")

        with monkeypatch.context() as broken:
            broken.setattr("providers.accounts.add", break_down)
            assert self.post("credential-new", bad).status_code == 500
            assert self.post("api:credentials-list", bad, form=False).status_code == 500
        return account

    def _keys_of_other_clouds(self) -> None:
        """A whole kubeconfig as a key, and a cipher key; neither is accepted."""
        token = self.search.plant("token of an ACS cluster", secrets.token_hex(20))
        text = _kubeconfig("https://127.0.0.1:1", token=token)
        acs = {"name": "acs", "provider": "acs", "region": "r", "kubeconfig": text}
        assert self.post("credential-new", acs).status_code == 422
        given = {**acs, "fields": {"kubeconfig": text}}
        assert self.post("api:credentials-list", given, form=False).status_code in {422, 503}
        broken = {**acs, "kubeconfig": f"{{ {self.search.plant('broken kubeconfig')}"}
        assert self.post("credential-new", broken).status_code == 422
        assert self.post("api:credentials-list", broken, form=False).status_code in {400, 422}
        assert make.cluster(self.cast.team, slug="keeper").pk
        followed = {
            "name": "temp",
            "provider": "kci",
            "region": "r",
            "cipher": self.search.plant("cipher key"),
        }
        form = {**followed, "source": "configmap", "cluster": "keeper", "namespace": "kube-system"}
        assert self.post("credential-new", {**form, "config_map": "temp"}).status_code == 422
        rest = {**followed, "config_map": {"cluster": "keeper"}}
        assert self.post("api:credentials-list", rest, form=False).status_code == 422
        Cluster.objects.filter(slug="keeper").delete()

    def clusters(self) -> Cluster:
        text = self.world.kubeconfig
        user = yaml.safe_load(text)["users"][0]["user"]
        self._plant_key("client key", base64.b64decode(user["client-key-data"]).decode())
        given = {"kubeconfig": text, "name": "home"}
        assert self.post("api:clusters-list", given, form=False).status_code == 201
        certificate, private = _client_certificate()
        self._plant_key("refused client key", private)
        bad = [
            _kubeconfig("https://127.0.0.1:1", token=self.search.plant("refused token")),
            _kubeconfig(
                "https://127.0.0.1:1",
                **{
                    "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
                    "client-key-data": base64.b64encode(private.encode()).decode(),
                },
            ),
            _kubeconfig("https://127.0.0.1:1", password=self.search.plant("basic"), username="u"),
            f"{{ {self.search.plant('broken yaml')}",
        ]
        cluster = Cluster.objects.get()
        for one in bad:
            self.post("cluster-new", {"kubeconfig": one})
            for step in ("cluster-new", "cluster-new-context", "cluster-new-check"):
                self.get(step, reverse(step))
            self.post("cluster-rotate", {"kubeconfig": one}, cluster.slug)
            for name in ("api:clusters-parse", "api:clusters-check-new"):
                self.post(name, {"kubeconfig": one}, form=False)
            self.post("api:clusters-list", {"kubeconfig": one, "name": "x"}, form=False)
        return cluster

    def _plant_key(self, name: str, pem: str) -> None:
        """A line of it, and a part of how a kubeconfig writes it."""
        self.search.plant(name, pem.splitlines()[2])
        self.search.plant(f"{name} data", base64.b64encode(pem.encode()).decode()[80:140])

    def token(self) -> None:
        """Its text is shown in this answer, and nowhere else."""
        answer = self.client.post(
            reverse("api:tokens"), {"name": "ci"}, content_type="application/json"
        )
        self.search.plant("API token", answer.json()["token"])
        program = Client(headers={"Authorization": f"Bearer {answer.json()['token']}"})
        self.search.look("as a program", program.get("/api/v1/me/").content)

    def channel(self) -> Channel:
        """A robot's address is as good as its token; one that answers nobody is told of."""
        address = f"http://127.0.0.1:1/robot/send?access_token={quote(self.search.plant('robot'))}"
        given = {
            "name": "robot",
            "kind": "dingtalk",
            "address": address,
            "secret": self.search.plant("sign secret"),
        }
        for bad in ({**given, "kind": "wecom"}, {**given, "address": f"ftp{address}"}):
            assert self.post("api:channels-list", bad, form=False).status_code == 400
        assert self.post("api:channels-list", given, form=False).status_code == 201
        channel = Channel.objects.get()
        assert self.post("api:channels-test", {}, channel.pk, form=False).json()["error"]
        return channel

    def crawl(self, fleet: Fleet) -> None:
        for line in {**PAGES, **API}:
            method, _space, name = line.partition(" ")
            if method == "GET":
                self.get(line, url_of(name, fleet, 0))
        self.get("nothing", "/nothing/")
        for tab in ("checks", "settings"):
            self.get(tab, reverse("cluster-tab", args=[fleet.cluster.slug, tab]))
        for tab in ("timeline", "containers", "logs", "yaml"):
            self.get(tab, reverse("pod-tab", args=[fleet.pod.pk, tab]))


async def _frames(user: Any, fleet: Fleet) -> list[Any]:
    page = await (await sync_to_async(Browser)(user)).open()
    try:
        for topic in ("pods", "nodes", "clusters", "operations", "orphans"):
            await page.look_at(topic)
        await page.say(op="sub", topic="overview")
        for topic, row in (("pods", fleet.pod), ("nodes", fleet.node), ("clusters", fleet.cluster)):
            await sync_to_async(announce)(topic, [row.pk])
        return await page.settle()
    finally:
        await page.close()
        await hub.stop()


def _redis(url: str) -> Iterator[tuple[str, bytes]]:
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            kind = client.type(key).decode()
            yield key.decode(), client.dump(key) or b""
            for text in client.lrange(key, 0, -1) if kind == "list" else ():
                # Dumps compress long values.
                yield key.decode(), text + base64.b64decode(json.loads(text)["body"])


def _database() -> bytes:
    name = Path(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return name.read_bytes()


@pytest.mark.django_db(transaction=True)
def test_no_secret_comes_out(
    world: World,
    connected: None,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    cast, search = make.make_cast(), Search()
    house = House(search, cast, world)
    house.sign_in()
    account, cluster = house.credentials(monkeypatch), house.clusters()
    house.token()
    node = make.node(cluster, account)
    component = make.installation(cluster)
    fleet = Fleet(
        *(account, cluster, node, make.pod(node), make.orphan(account)),
        *(make.operation(cluster), component, make.fleet_upgrade(component)),
        *(make.budget(cast.team), house.channel(), make.export(cast.team, cast.alice)),
        *(make.bill_day(account), make.price(cast.team), make.discount(cast.team)),
    )
    house.post("credential-verify", {}, account.pk)
    house.post("operation-cancel", {}, fleet.operation.pk)
    house.crawl(fleet)
    frames = async_to_sync(_frames)(cast.alice, fleet)
    assert [row for frame in frames for row in frame.get("up", [])]
    search.look("frames", json.dumps(frames))
    formatter = logging.Formatter()
    for record in caplog.records:
        search.look(f"log {record.name}", f"{formatter.format(record)} {record.args}")
    messages = list(_redis(redis_server.url))
    assert any(name == "celery" for name, _text in messages)
    for name, text in messages:
        search.look(f"redis {name}", text)
    search.look("the database", _database())
    assert len(search.planted) == 18
    assert len(search.texts) > 100
    assert search.found() == []
    leaked = CloudAccount.objects.get(pk=account.pk)
    leaked.trouble, leaked.trouble_message = "InvalidKey", f"with {search.planted['key secret']}"
    leaked.save()
    house.get("GET credential", reverse("credential", args=[account.pk]))
    search.look("the database", _database())
    assert search.found() == ["key secret in GET credential 200", "key secret in the database"]
