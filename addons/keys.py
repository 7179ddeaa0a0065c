"""Credentials whose temporary keys lie in a ConfigMap of a cluster, where its owner renews them.

The key is read once when the credential is added; from then on the watch process follows the
ConfigMap (`addons.watch.keys`). Shape and rules: repository kingsoftcloud/aksk-provider.

    SourceError
    ├── NotOffered   the provider knows no such keys
    ├── Unreadable   the ConfigMap is not there, or may not be read
    └── Unusable     what is in it is no key
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from addons.models import Cluster
from addons.runtime.loop import runtime
from kube import CONFIGMAPS
from kube.errors import KubeError, NotFound
from kube.secret import Secret
from providers import accounts, registry
from providers.base import NewKey, TemporaryKeys
from providers.errors import InvalidSpec
from providers.models import CloudAccount

NAMESPACE = "kube-system"
CONFIG_MAP = "user-temp-aksk"


class SourceError(Exception):
    """`fix` says what to do about it."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class NotOffered(SourceError):
    pass


class Unreadable(SourceError):
    pass


class Unusable(SourceError):
    pass


def add(
    *,
    team: Group,
    name: str,
    provider: str,
    region: str,
    cluster: Cluster,
    namespace: str = NAMESPACE,
    config_map: str = CONFIG_MAP,
    cipher: Secret,
    now: datetime,
    endpoint: str = "",
) -> CloudAccount:
    """A verified account with the key of now. `cipher` opens the key (empty: it is plain).

    Raises `SourceError`, and what `providers.accounts.add` raises.
    """
    key = key_of(provider, _read(cluster, namespace, config_map), cipher)
    return accounts.add(
        team=team,
        name=name,
        provider=provider,
        region=region,
        key=key,
        now=now,
        endpoint=endpoint,
        source={"cluster": cluster.uid, "namespace": namespace, "name": config_map},
        cipher=cipher,
    )


def key_of(provider: str, config_map: Mapping[str, Any], cipher: Secret) -> NewKey:
    """The key in a ConfigMap. Raises `NotOffered` or `Unusable`; no secret is in the message."""
    dialect = registry.dialect(provider)
    if not isinstance(dialect, TemporaryKeys):
        raise NotOffered(
            _("%(title)s has no keys in ConfigMaps.") % {"title": dialect.title},
            _("Give the key itself."),
        )
    try:
        return dialect.temporary(config_map.get("data") or {}, cipher)
    except InvalidSpec as error:
        raise Unusable(error.message, _("Check the ConfigMap and its cipher key.")) from error


def _read(cluster: Cluster, namespace: str, name: str) -> Mapping[str, Any]:
    async def ask() -> Mapping[str, Any]:
        kube = await runtime().kube(cluster.pk)
        found: Mapping[str, Any] = await kube.get(CONFIGMAPS, name, namespace)
        return found

    where = {"place": f"{namespace}/{name}", "cluster": cluster.name}
    try:
        return runtime().run(ask(), timeout=30)
    except NotFound as error:
        raise Unreadable(
            _("Cluster %(cluster)s has no ConfigMap %(place)s.") % where,
            _("Check its name; clusters of the cloud's own service have it."),
        ) from error
    except (KubeError, TimeoutError) as error:
        text = _("ConfigMap %(place)s of cluster %(cluster)s cannot be read: %(error)s")
        raise Unreadable(text % {**where, "error": error}) from error
