"""Sealed secrets: bound, rotated, refused when keys are bad."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command

from kube.secret import Secret
from providers import checks, sealing, vault
from providers.models import CloudAccount

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BOUND = vault.purpose("providers.CloudAccount", "sealed_secret", "LTAI1")


def key(letter: str) -> str:
    return f"{letter}:{base64.b64encode(letter.encode() * 32).decode()}"


def test_what_is_sealed_opens_and_shows_nothing() -> None:
    blob = vault.seal(Secret("hunter2 é"), BOUND)
    assert vault.unseal(blob, BOUND) == Secret("hunter2 é")
    assert "hunter2" not in blob
    assert base64.urlsafe_b64encode(b"hunter2").decode()[:8] not in blob
    assert blob != vault.seal(Secret("hunter2 é"), BOUND)
    assert blob.isascii()


def test_a_blob_moved_to_another_row_or_field_does_not_open() -> None:
    blob = vault.seal(Secret("x"), BOUND)
    for other in (
        "providers.CloudAccount.sealed_token:LTAI1",
        vault.purpose("providers.CloudAccount", "sealed_secret", "LTAI2"),
    ):
        with pytest.raises(vault.NotAuthentic):
            vault.unseal(blob, other)


@pytest.mark.parametrize("part", [2, 3])
def test_a_changed_blob_does_not_open(part: int) -> None:
    parts = vault.seal(Secret("x"), BOUND).split(".")
    raw = bytearray(base64.urlsafe_b64decode(parts[part]))
    raw[-1] ^= 1
    parts[part] = base64.urlsafe_b64encode(raw).decode()
    with pytest.raises(vault.NotAuthentic):
        vault.unseal(".".join(parts), BOUND)


@pytest.mark.parametrize("blob", ["plain", "v1.a.b", "v2.t1.a.b"])
def test_what_was_never_sealed_does_not_open(blob: str) -> None:
    with pytest.raises(vault.NotAuthentic):
        vault.unseal(blob, BOUND)


def test_the_first_key_seals_and_older_keys_open(settings: Any) -> None:
    settings.VAULT_KEYS = [key("a")]
    old = vault.seal(Secret("x"), BOUND)
    settings.VAULT_KEYS = [key("b"), key("a")]
    assert vault.unseal(old, BOUND) == Secret("x")
    new = vault.rewrap(old)
    assert new.split(".")[1] == "b"
    assert vault.rewrap(new) == new
    settings.VAULT_KEYS = [key("b")]
    assert vault.unseal(new, BOUND) == Secret("x")
    with pytest.raises(vault.UnknownKey):
        vault.unseal(old, BOUND)


@pytest.mark.django_db
def test_the_command_moves_every_sealed_column(settings: Any) -> None:
    settings.VAULT_KEYS = [key("a")]
    account = CloudAccount(
        team=Group.objects.create(name="alice"), name="main", provider="eci", rotated_at=NOW
    )
    sealing.seal_into(account, key_id="LTAI1", secret=Secret("s"), token=Secret("t"))
    account.save()
    settings.VAULT_KEYS = [key("b"), key("a")]
    out = StringIO()
    call_command("rotate_vault", stdout=out)
    assert "providers.CloudAccount: 1 rows" in out.getvalue()
    settings.VAULT_KEYS = [key("b")]
    account.refresh_from_db()
    assert sealing.secret_of(account) == Secret("s")
    assert sealing.token_of(account) == Secret("t")
    out = StringIO()
    call_command("rotate_vault", stdout=out)
    assert "providers.CloudAccount: 0 rows" in out.getvalue()


def test_every_sealed_column_of_every_room_is_rotated() -> None:
    columns = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.fields
        if field.name.startswith("sealed_")
    }
    assert columns == {(label, field) for label, fields in vault.SEALED.items() for field in fields}


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ([], "providers.E001"),
        (["nokey"], "providers.E001"),
        (["a:not base64!"], "providers.E001"),
        (["a:" + base64.b64encode(b"short").decode()], "providers.E001"),
        ([key("a"), key("a")], "providers.E001"),
        (["a:" + base64.b64encode(bytes(32)).decode()], "providers.E002"),
        (["a:" + base64.b64encode(b"changeme".ljust(32, b"\0")).decode()], "providers.E002"),
        ([key("a")], None),
    ],
)
def test_nothing_starts_with_missing_broken_or_default_keys(
    settings: Any, keys: list[str], code: str | None
) -> None:
    settings.VAULT_KEYS = keys
    found = checks.vault_keys()
    assert [message.id for message in found] == ([code] if code else [])
    assert all(message.is_serious() for message in found)
