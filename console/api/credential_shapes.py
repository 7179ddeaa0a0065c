"""The shapes of credentials and of the clouds that they are for."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s

from addons import keys
from console.api.shapes import Texts
from providers.base import Use


def _text(**kw: Any) -> s.CharField:
    return s.CharField(allow_blank=True, **kw)


class CapabilityShape(s.Serializer[Any]):
    action = s.CharField()
    ok = s.BooleanField()
    code = _text(help_text="The cloud's own")
    message = _text()
    request_id = _text()
    grant = _text(help_text="What to grant, where a grant is what is missing")
    use = s.ChoiceField(
        [one.value for one in Use], required=False, help_text="Only what pods need is needed"
    )


class ConfigMapShape(s.Serializer[Any]):
    cluster = s.CharField(help_text="Slug of the cluster")
    namespace = s.CharField(max_length=253, default=keys.NAMESPACE)
    name = s.CharField(max_length=253, default=keys.CONFIG_MAP)


class CredentialShape(s.Serializer[Any]):
    id = s.IntegerField()
    name = s.CharField()
    provider = s.CharField()
    provider_title = s.CharField()
    region = s.CharField()
    endpoint = _text()
    access_key_id = s.CharField(help_text="Masked")
    account_id = _text()
    identity = _text()
    capabilities = CapabilityShape(many=True)
    verified_at = s.DateTimeField(allow_null=True)
    verify_ms = s.IntegerField(allow_null=True)
    rotated_at = s.DateTimeField()
    expires_at = s.DateTimeField(allow_null=True)
    config_map = ConfigMapShape(
        allow_null=True, help_text="Where the key is read again and again; null: given by a person"
    )
    trouble = _text()
    trouble_message = _text()
    halted_at = s.DateTimeField(allow_null=True)
    halt_reason = _text()
    used_by = s.ListField(child=s.CharField())


class FieldShape(s.Serializer[Any]):
    name = s.CharField()
    label = s.CharField()  # type: ignore[assignment]
    help = _text()
    kind = s.ChoiceField(["text", "secret", "long_secret", "flag", "list", "choice"])
    required = s.BooleanField()  # type: ignore[assignment]
    default = _text()
    choices = s.ListField(child=s.CharField())
    pattern = _text(help_text="Regular expression of the whole value")


class ProviderShape(s.Serializer[Any]):
    name = s.CharField()
    title = s.CharField()
    vendor = s.CharField(help_text="Two credentials of one vendor may serve one virtual node")
    currency = s.CharField()
    credential = FieldShape(many=True)
    node_settings = FieldShape(many=True)
    security_groups_max = s.IntegerField()
    temporary_keys = s.BooleanField(help_text="Whether keys in a ConfigMap can be followed")


# What a key was given by before providers named their fields.
FLAT = ("access_key_id", "access_key_secret", "security_token")


class RotateRequest(s.Serializer[Any]):
    fields = Texts(  # type: ignore[assignment]
        write_only=True,
        help_text="By name, as the provider's `credential` of /api/v1/providers/ lists them",
    )
    access_key_id = s.CharField(
        max_length=128, required=False, help_text="The same as in `fields`; kept for programs"
    )
    access_key_secret = s.CharField(max_length=256, required=False, write_only=True)
    security_token = s.CharField(max_length=8192, required=False, allow_blank=True, write_only=True)


class CredentialRequest(RotateRequest):
    name = s.CharField(max_length=64)
    provider = s.CharField(max_length=16, help_text="One of /api/v1/providers/")
    region = s.CharField(max_length=64)
    endpoint = s.URLField(required=False, allow_blank=True, default="")
    config_map = ConfigMapShape(
        required=False,
        allow_null=True,
        default=None,
        help_text="Instead of `fields`: follow the temporary keys that are renewed there",
    )
    cipher = s.CharField(
        max_length=8192,
        required=False,
        allow_blank=True,
        default="",
        write_only=True,
        help_text="What opens the secret key in the ConfigMap, if it is enciphered",
    )
    team = s.CharField(required=False, allow_blank=True, default="")
