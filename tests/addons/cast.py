"""Rows that many tests of this room need."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group

from addons.models import Cluster, PodRow, VirtualNode
from kube.secret import Secret
from providers import vault
from providers.models import CloudAccount

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def team() -> Group:
    return Group.objects.get_or_create(name="alice")[0]


def account(**fields: Any) -> CloudAccount:
    number = next(_numbers)
    values: dict[str, Any] = {
        "team": team(),
        "name": f"account-{number}",
        "provider": "eci",
        "region": "cn-hangzhou",
        "access_key_id": f"LTAI{number:012}",
        "sealed_secret": vault.seal(Secret("x"), "test"),
        "rotated_at": NOW,
    }
    return CloudAccount.objects.create(**values | fields)


def cluster(**fields: Any) -> Cluster:
    number = next(_numbers)
    values: dict[str, Any] = {
        "team": team(),
        "slug": f"cluster-{number}",
        "name": f"cluster-{number}",
        "uid": f"uid-of-cluster-{number}",
        "server": "https://127.0.0.1:1",
        "version": "v1.31.1",
        "region": "cn-hangzhou",
    }
    return Cluster.objects.create(**values | fields)


def node(of: Cluster, **fields: Any) -> VirtualNode:
    values: dict[str, Any] = {
        "cluster": of,
        "account": fields.pop("account", None) or of.account or account(),
        "name": "virtual-kubelet-cn-hangzhou-k",
        "provider": "eci",
        "region": "cn-hangzhou",
        "zone": "cn-hangzhou-k",
        "security_group": "sg-1",
        "placements": [{"zone": "cn-hangzhou-k", "subnet": "vsw-1"}],
    }
    return VirtualNode.objects.create(**values | fields)


def pod(of: Cluster, name: str, on: VirtualNode | None = None, **fields: Any) -> PodRow:
    values: dict[str, Any] = {
        "cluster": of,
        "node": on,
        "uid": f"uid-of-{name}",
        "namespace": "default",
        "name": name,
        "created_at": NOW,
    }
    return PodRow.objects.create(**values | fields)
