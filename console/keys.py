"""Cloud keys as people give them and as they are shown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from django.utils.translation import gettext as _

from addons.models import Cluster, VirtualNode
from console.refusals import KeyInvalid
from providers import registry
from providers.base import Dialect, NewKey, Use
from providers.errors import InvalidSpec
from providers.models import CloudAccount


def new_key(provider: str, texts: Mapping[str, str]) -> NewKey:
    """The key of its fields. Raises `KeyInvalid`, or `kube.KubeconfigRefused`."""
    try:
        return registry.dialect(provider).key(texts)
    except InvalidSpec as error:
        raise KeyInvalid(error.message) from error


def dialects() -> list[Dialect]:
    """Every cloud of this installation, as the registry has them."""
    return [registry.dialect(name) for name in registry.PROVIDERS]


def known(provider: str) -> Dialect | None:
    return registry.dialect(provider) if provider in registry.PROVIDERS else None


def shown_key(account: CloudAccount) -> str:
    """The key's id as people may see it; of a followed one only how it starts."""
    return f"{account.access_key_id[:4]}••••" if account.key_source else account.masked_key


@dataclass(frozen=True, slots=True)
class Purpose:
    """A use of keys in words; `needed`: no key of the cloud is of any use without it."""

    title: str
    note: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The least grants as text to paste: JSON of a cloud, or YAML of Kubernetes objects."""

    title: str
    note: str
    text: str
    language: str
    label: str


def policies(dialect: Dialect) -> list[Policy]:
    """What pods need first, then what else may be granted besides."""
    return [_policy(purpose_of(use), given) for use, given in dialect.policies().items()]


def purpose_of(use: str) -> Purpose:
    if use == Use.BILLS:
        return Purpose(_("Bills"), _("To compare what is metered with what the cloud bills."))
    if use == Use.ADDONS:
        note = _("To see and change the add-ons that the cloud itself runs in its clusters.")
        return Purpose(_("Add-ons of the cloud"), note)
    if use == Use.USERS:
        note = _("To make users, each with a key for one add-on. No other users can be reached.")
        return Purpose(_("Keys for add-ons"), note)
    return Purpose(_("Pods"), needed=True)


def _policy(purpose: Purpose, given: Mapping[str, Any]) -> Policy:
    title, note = purpose.title, purpose.note
    if "kind" not in given:
        text = json.dumps(given, indent=2, ensure_ascii=False)
        return Policy(title, note, text, "json", _("Policy of the cloud"))
    objects = given["items"] if given["kind"] == "List" else [given]
    text = yaml.safe_dump_all([_bare(item) for item in objects], sort_keys=False)
    return Policy(title, note, text, "yaml", _("Roles of the cluster"))


def _bare(value: Any) -> Any:
    """Mappings and sequences of any kind as the ones that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _bare(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_bare(item) for item in value]
    return value


def used_by(found: Sequence[CloudAccount]) -> dict[int, list[str]]:
    """Account -> names of the clusters and virtual nodes that use it."""
    names: dict[int, list[str]] = defaultdict(list)
    for rows, column, name in (
        (Cluster.objects, "account", "slug"),
        (VirtualNode.objects, "account", "name"),
        (VirtualNode.objects, "second_account", "name"),
    ):
        using = rows.filter(**{f"{column}__in": found})
        for account, text in using.values_list(column, name):
            names[account].append(text)
    return names


def sources(found: Sequence[CloudAccount]) -> dict[int, dict[str, str]]:
    """Account -> the ConfigMap that its key is read from; only of followed ones."""
    followed = [account for account in found if account.key_source]
    uids = {account.key_source["cluster"] for account in followed}
    slugs = dict(Cluster.objects.filter(uid__in=uids).values_list("uid", "slug")) if uids else {}
    return {
        account.pk: {
            "cluster": slugs.get(account.key_source["cluster"], ""),
            "namespace": account.key_source["namespace"],
            "name": account.key_source["name"],
        }
        for account in followed
    }
