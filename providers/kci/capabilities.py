"""What each version of KCI's rules refuses, as data.

Sources: KCI user guide, "Kubernetes cluster with KCI" (document 38690: the seven things that
rbkci-virtual-kubelet v1.3.1 does not support); KCI API reference 2020-07-02, CreateContainerGroup
(probes, init containers, host paths and privileged containers are parameters of the standalone
mode). In cluster mode the instance's agent runs the pod, for which only the older list is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from providers.kci.options import flag

SETTING = "capabilities"
STRICT = "strict"
API = "api-2020-07-02"
AGENT = "rbkci-v1.3.1"


class Verdict(StrEnum):
    WORKS = "works"
    IGNORED = "ignored"
    REFUSED = "refused"


class Feature(StrEnum):
    DAEMON_SET = "DaemonSet"
    HOST_PATH = "hostPath"
    PRIVILEGED = "privileged"
    PROBES = "probes"
    INIT_CONTAINERS = "initContainers"
    NODE_PORT = "NodePort"
    HOST_NETWORK = "hostNetwork"


_W, _I, _R = Verdict.WORKS, Verdict.IGNORED, Verdict.REFUSED
TABLE: Mapping[str, Mapping[Feature, Verdict]] = {
    API: {
        Feature.DAEMON_SET: _R,
        Feature.HOST_PATH: _W,
        Feature.PRIVILEGED: _W,
        Feature.PROBES: _W,
        Feature.INIT_CONTAINERS: _W,
        Feature.NODE_PORT: _I,
        Feature.HOST_NETWORK: _R,
    },
    AGENT: {
        Feature.DAEMON_SET: _R,
        Feature.HOST_PATH: _R,
        Feature.PRIVILEGED: _R,
        Feature.PROBES: _I,
        Feature.INIT_CONTAINERS: _R,
        Feature.NODE_PORT: _I,
        Feature.HOST_NETWORK: _R,
    },
}


def verdicts(settings: Mapping[str, str], *, cluster_mode: bool) -> Mapping[Feature, Verdict]:
    """The rules for a pod; with the setting `strict` what would be ignored is refused."""
    chosen = AGENT if cluster_mode else settings.get(SETTING, "").strip() or API
    table = dict(TABLE.get(chosen, TABLE[API]))
    if flag(settings.get(STRICT, "")) and table[Feature.PROBES] is Verdict.IGNORED:
        table[Feature.PROBES] = Verdict.REFUSED
    return table
