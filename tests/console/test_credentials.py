"""Credentials are asked for as the registry's providers say, by page and by REST alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from addons.runtime.loop import Runtime
from console.models import AuditEntry
from providers import registry, sealing
from providers.base import Use
from providers.models import CloudAccount
from tests.console import cast as make
from tests.console import toy
from tests.console.cast import Cast, Fleet

GIVEN = {"user": "ann", "password": "s3cret pass", "tags": "a, b  c", "internal": "on"}
CREDENTIALS = "/api/v1/credentials/"


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "PROVIDERS", registry.PROVIDERS | toy.LINE)
    yield
    registry.dialect.cache_clear()


def body(**more: Any) -> dict[str, Any]:
    common = {"name": "key", "provider": "toy", "region": "toyland"}
    return {**common, "fields": {"user": "ann", "password": "s3cret pass"}, **more}


def secret_of(account: CloudAccount) -> str:
    return sealing.secret_of(account).reveal()


def test_first_the_cloud_is_chosen_by_its_mark_and_title(page: Client) -> None:
    text = page.get(reverse("credential-new")).content.decode()
    for name in registry.PROVIDERS:
        assert f'href="?provider={name}"' in text
        assert registry.dialect(name).title in text


@pytest.mark.parametrize("name", [*registry.PROVIDERS, "toy"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_form_holds_the_fields_of_the_cloud_and_its_policy(
    page: Client, name: str, language: str
) -> None:
    page.cookies["django_language"] = language
    text = page.get(reverse("credential-new"), {"provider": name}).content.decode()
    for field in registry.dialect(name).credential:
        assert f'name="{field.name}"' in text
    assert (
        f'data-lang="{"yaml" if "kind" in registry.dialect(name).policies()[Use.PODS] else "json"}"'
        in text
    )


def test_each_use_of_a_key_has_a_policy_of_its_own(page: Client) -> None:
    text = page.get(reverse("credential-new"), {"provider": "eci"}).content.decode()
    for use, given in registry.dialect("eci").policies().items():
        answer = page.get(f"{CREDENTIALS}policy/eci/", {"use": use})
        assert answer.json() == given
        assert all(action in text for action in given["Statement"][0]["Action"])
    plain = page.get(f"{CREDENTIALS}policy/eci/").json()
    assert plain == registry.dialect("eci").policies()[Use.PODS]


def test_page_adds_a_key_of_every_kind_of_field(page: Client, cast: Cast) -> None:
    given = {**GIVEN, "provider": "toy", "name": "key", "region": "toyland", "plan": "big"}
    answer = page.post(reverse("credential-new"), given)
    account = CloudAccount.objects.get()
    assert answer.headers["Location"] == reverse("credential", args=[account.pk])
    assert secret_of(account) == "s3cret pass||true|a,b,c|big"
    assert (account.provider, account.access_key_id) == ("toy", "user-ann-key")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"user": "ANN"}, "user"), ({"user": ""}, "user"), ({"plan": "huge"}, "plan")],
)
def test_what_is_wrong_stands_at_its_field(page: Client, wrong: dict[str, str], field: str) -> None:
    given = {**GIVEN, "provider": "toy", "name": "key", "region": "r", "plan": "big", **wrong}
    answer = page.post(reverse("credential-new"), given)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in text
    assert "s3cret" not in text
    assert not CloudAccount.objects.exists()


def test_rest_takes_the_same_fields_as_json_has_them(api: APIClient) -> None:
    fields = {"user": "ann", "password": "pw", "internal": True, "tags": ["x", "y"]}
    answer = api.post(CREDENTIALS, body(fields=fields), format="json")
    assert answer.status_code == 201, answer.json()
    assert answer.json()["provider_title"] == "Toy Cloud"
    assert [item["request_id"] for item in answer.json()["capabilities"]] == ["req-1", "req-2"]
    assert secret_of(CloudAccount.objects.get()) == "pw||true|x,y|"
    assert "pw" not in answer.content.decode()


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"provider": "nothing"}, "invalid", "provider"),
        ({"fields": {"user": "ann"}}, "invalid", "fields.password"),
        ({"fields": {"user": "A", "password": "x"}}, "invalid", "fields.user"),
        ({"fields": {"user": "a", "password": "x", "extra": "y"}}, "invalid", "fields.extra"),
        ({"fields": {"user": "nobody", "password": "x"}}, "key_invalid", ""),
    ],
)
def test_rest_names_the_field_that_is_wrong(
    api: APIClient, change: dict[str, Any], code: str, field: str
) -> None:
    told = api.post(CREDENTIALS, body(**change), format="json").json()
    assert told["code"] == code
    assert [row["field"] for row in told.get("errors", [])] == ([field] if field else [])
    assert not CloudAccount.objects.exists()


def test_older_flat_names_are_still_taken(api: APIClient) -> None:
    given = {"name": "k", "provider": "eci", "region": "cn-hangzhou", "access_key_id": "LTAI"}
    told = api.post(CREDENTIALS, given, format="json").json()
    assert [row["field"] for row in told["errors"]] == ["fields.access_key_secret"]
    whole = {**given, "access_key_secret": "s", "endpoint": "http://127.0.0.1:1"}
    told = api.post(CREDENTIALS, whole, format="json").json()
    assert told["code"] == "cloud_unavailable"


def test_rotation_asks_for_the_same_fields(page: Client, api: APIClient) -> None:
    pk = api.post(CREDENTIALS, body(), format="json").json()["id"]
    new = {"fields": {"user": "bea", "password": "other"}}
    answer = api.post(f"{CREDENTIALS}{pk}/rotate/", new, format="json")
    assert answer.json()["access_key_id"] == "user••••-key"
    assert secret_of(CloudAccount.objects.get()).startswith("other|")
    page.post(reverse("credential-rotate", args=[pk]), {**GIVEN, "plan": "small"})
    assert CloudAccount.objects.get().access_key_id == "user-ann-key"


def test_doctor_shows_each_action_with_the_words_of_the_cloud(page: Client, api: APIClient) -> None:
    pk = api.post(CREDENTIALS, body(), format="json").json()["id"]
    text = page.get(reverse("credential", args=[pk])).content.decode()
    for word in ("Play", "Toy.Denied", "not today", "req-2", "toy:Rest", "1 of 2 work"):
        assert word in text


def test_roles_of_a_cluster_are_pasted_as_yaml(page: Client) -> None:
    text = page.get(reverse("credential-new"), {"provider": "toy"}).content.decode()
    assert "kind: Role\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Other" in text


def test_providers_are_listed_with_what_they_ask_for(api: APIClient) -> None:
    listed = {one["name"]: one for one in api.get("/api/v1/providers/").json()}
    assert set(listed) == set(registry.PROVIDERS)
    assert [field["kind"] for field in listed["toy"]["credential"]] == [
        *("text", "secret", "long_secret", "flag", "list", "choice")
    ]
    assert (listed["toy"]["security_groups_max"], listed["toy"]["temporary_keys"]) == (3, True)
    assert not listed["eci"]["temporary_keys"]


# --- keys that are read from a ConfigMap ---------------------------------------------------------


class Reading:
    """A cluster's API that has the ConfigMap of temporary keys."""

    async def get(self, _resource: Any, name: str, namespace: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": namespace}, "data": {"secret": "t3mp"}}


@pytest.fixture
def read(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    async def kube(_cluster: int) -> Reading:
        return Reading()

    monkeypatch.setattr(runtime, "kube", kube)
    monkeypatch.setattr("addons.keys.runtime", lambda: runtime)


def test_key_of_a_config_map_is_followed_and_shown_by_its_start_only(
    read: None, page: Client, fleet: Fleet
) -> None:
    given = {
        "provider": "toy",
        "source": "configmap",
        "name": "temp",
        "region": "toyland",
        "cluster": fleet.cluster.slug,
        "namespace": "kube-system",
        "config_map": "user-temp-aksk",
        "cipher": "c1pher",
    }
    answer = page.post(reverse("credential-new"), given)
    account = CloudAccount.objects.get(name="temp")
    assert account.key_source == {
        "cluster": fleet.cluster.uid,
        "namespace": "kube-system",
        "name": "user-temp-aksk",
    }
    text = page.get(answer.headers["Location"]).content.decode()
    assert "Everybody who may read ConfigMaps" in text
    assert "TEMP••••<" in text
    assert "data-left" in text
    assert reverse("cluster", args=[fleet.cluster.slug]) in text
    assert reverse("credential-rotate", args=[account.pk]) not in text
    assert "6789" not in text
    assert "6789" not in page.get(CREDENTIALS).content.decode()
    listed = page.get(reverse("credentials")).content.decode()
    assert "followed" in listed


def test_rest_follows_a_config_map_and_refuses_to_rotate_it(
    read: None, api: APIClient, fleet: Fleet
) -> None:
    source = {"cluster": fleet.cluster.slug}
    made = api.post(CREDENTIALS, body(fields={}, config_map=source, cipher="x"), format="json")
    assert made.status_code == 201, made.json()
    told = made.json()
    assert told["config_map"] == {**source, "namespace": "kube-system", "name": "user-temp-aksk"}
    rotate = {"fields": {"user": "ann", "password": "p"}}
    refused = api.post(f"{CREDENTIALS}{told['id']}/rotate/", rotate, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "key_followed")


def test_cluster_of_another_team_gives_no_keys(read: None, api: APIClient, cast: Cast) -> None:
    theirs = make.cluster(cast.other)
    source = {"cluster": theirs.slug}
    answer = api.post(CREDENTIALS, body(fields={}, config_map=source), format="json")
    assert answer.status_code == 404
    assert not AuditEntry.objects.filter(action="credential.add").exclude(result="failed").exists()


def test_cloud_without_such_keys_says_so(read: None, api: APIClient, fleet: Fleet) -> None:
    source = {"cluster": fleet.cluster.slug}
    given = body(provider="eci", fields={}, config_map=source)
    told = api.post(CREDENTIALS, given, format="json").json()
    assert (told["code"], told["fix"]) == ("key_source", "Give the key itself.")


def test_stale_temporary_key_is_an_alert(page: Client, fleet: Fleet) -> None:
    source = {"cluster": fleet.cluster.uid, "namespace": "kube-system", "name": "user-temp-aksk"}
    CloudAccount.objects.filter(pk=fleet.account.pk).update(
        key_source=source,
        expires_at=timezone.now(),
        trouble="TemporaryKeyStale",
        trouble_message="not renewed since 07:00",
    )
    url = reverse("credential", args=[fleet.account.pk])
    text = page.get(url, {"part": "top"}, headers={"HX-Request": "true"}).content.decode()
    assert "<!doctype html>" not in text
    assert "The temporary key is not renewed." in text
    assert "not renewed since 07:00" in text


def test_key_of_a_cloud_that_is_gone_is_still_shown(page: Client, cast: Cast) -> None:
    account = make.account(cast.team, provider="gone")
    text = page.get(reverse("credential", args=[account.pk])).content.decode()
    assert "no longer knows the provider" in text
    assert account.name in page.get(reverse("credentials")).content.decode()


def test_resuming_says_what_it_does(page: Client, fleet: Fleet) -> None:
    CloudAccount.objects.filter(pk=fleet.account.pk).update(
        halted_at=timezone.now(), halt_reason="EmptyList", halt_detail={"known": 7}
    )
    text = page.get(reverse("credential", args=[fleet.account.pk])).content.decode()
    assert "counts as gone for the next ten minutes" in text
