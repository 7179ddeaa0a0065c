"""Feature gates and other parameters of the API server.

Source: ACK user guide, "Customize the parameters of control plane components in ACK Pro clusters":
a change replaces all values set before, so that it is read, merged and written; `featureGates` is
one text, `A=true,B=false`. Where a vendor has no such API, a person sets them and a check looks
whether they work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components.base import Json
from addons.components.vendors import NoVendor, Reach, vendor_of
from addons.models import Cluster
from addons.runtime.loop import runtime
from addons.sentences import stored
from kube import PODS, Kube
from kube.errors import Forbidden, Invalid
from providers.errors import NotFound, ProviderError

COMPONENT = "kube-apiserver"
ACS_MUTATION = "ACSPodResourcesMutation"
FEATURE_GATES = "featureGates"
MANUAL = _(
    "In the ACK console: the cluster, Operations, Add-ons, Core components, Kube API Server,"
    " Configuration; set the feature gates to ACSPodResourcesMutation=true. Only ACK managed Pro"
    " clusters know the gate: elsewhere ask for the size that is billed in the pods themselves."
)


def parsed(text: str) -> dict[str, str]:
    """`A=true,B=false` by name; a name without a value is `true`."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _sign, value = part.partition("=")
        found[name.strip()] = value.strip() or "true"
    return found


def text_of(gates: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in gates.items())


def spelled(config: Mapping[str, Any], key: str) -> str:
    """The key as `config` writes it, whatever its case; `key` itself when it is not there."""
    return next((known for known in config if known.lower() == key.lower()), key)


def merged(
    existing: Mapping[str, Any], *, wanted: Mapping[str, Any], before: Mapping[str, Any]
) -> Json:
    """All values: others' stay, those of `before` that are not wanted any more go.

    Within `featureGates` the same holds for each gate.
    """
    result = dict(existing)
    lowered = {key.lower() for key in wanted}
    for key in before:
        if key.lower() not in lowered and key.lower() != FEATURE_GATES.lower():
            result.pop(spelled(result, key), None)
    for key, value in wanted.items():
        if key.lower() != FEATURE_GATES.lower():
            result[spelled(existing, key)] = value
    return _with_gates(result, _gates(wanted), _gates(before))


def different(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Keys of either that have another value in the other; 1, "1" and true, "true" are the same."""
    keys = sorted(wanted.keys() | there.keys())
    return [key for key in keys if _plain(wanted.get(key)) != _plain(there.get(key))]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if value in (None, "") else str(value).lower()


def _gates(config: Mapping[str, Any]) -> dict[str, str]:
    return parsed(str(config.get(spelled(config, FEATURE_GATES)) or ""))


def _with_gates(config: Json, wanted: Mapping[str, str], before: Mapping[str, str]) -> Json:
    key = spelled(config, FEATURE_GATES)
    there = _gates(config)
    kept = {name: value for name, value in there.items() if name in wanted or name not in before}
    result = {**kept, **wanted}
    if result == there:
        return config
    return {
        **{k: v for k, v in config.items() if k != key},
        **({key: text_of(result)} if result else {}),
    }


# --- whether they work ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GateStatus:
    """`settable`: the vendor's API takes them; else `why`, and `manual` says what a person does.

    `gates` are those that the vendor holds. `works`: a dry-run pod was changed as the gate ACS
    pod resources mutation does; None: nobody could look, `detail` says why.
    """

    settable: bool
    gates: Mapping[str, str] = field(default_factory=dict)
    works: bool | None = None
    detail: str = ""
    why: str = ""
    manual: str = MANUAL


def probe(name: str) -> Json:
    """A pod for ACS that asks for less than it would be billed: 2 CPU are 2 CPU and 4 GiB."""
    size = {"cpu": "2"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "alibabacloud.com/acs": "true",
                "alibabacloud.com/compute-class": "general-purpose",
                "alibabacloud.com/compute-qos": "default",
            },
        },
        "spec": {
            "nodeSelector": {"type": "virtual-kubelet"},
            "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
            "containers": [
                {
                    "name": "probe",
                    "image": "busybox:1.36",
                    "resources": {"requests": size, "limits": size},
                }
            ],
        },
    }


def mutated(answer: Mapping[str, Any]) -> bool:
    """Whether the API server put the billed memory beside the CPU that was asked for."""
    found = answer["spec"]["containers"][0].get("resources") or {}
    return bool((found.get("requests") or {}).get("memory"))


async def works(kube: Kube, namespace: str = "default") -> tuple[bool | None, str]:
    """A pod is sent with dryRun=All: nothing is made. None with the reason: it was not taken."""
    try:
        pod = probe("spillway-gate-probe")
        answer = await kube.create(PODS, pod, namespace, dry_run=True)
    except (Forbidden, Invalid) as refusal:
        return None, stored("%(error)s", error=refusal)
    return mutated(answer), ""


async def _held(reach: Reach, cluster: Cluster) -> GateStatus:
    try:
        async with vendor_of(reach, cluster) as vendor:
            about = await vendor.cluster()
            if not about.control_plane:
                why = _("The API server of such a cluster is not set through the cloud.")
                return GateStatus(False, why=why)
            there = await vendor.api.addon(vendor.cluster_id, COMPONENT)
    except NoVendor as missing:
        return GateStatus(False, why=missing.message)
    except NotFound:
        return GateStatus(False, why=_("The cloud does not list this component here."))
    except ProviderError as error:
        return GateStatus(False, why=stored("%(error)s", error=error))
    return GateStatus(True, _gates(there.config or {}))


def look(cluster: Cluster) -> GateStatus:
    """How it stands now; from any thread but the loop's. Raises `KubeError`."""

    async def run() -> GateStatus:
        held = await _held(runtime(), cluster)
        done, detail = await works(await runtime().kube(cluster.pk))
        return replace(held, works=done, detail=detail)

    return runtime().run(run(), timeout=60)
