"""rbkci-virtual-kubelet put into a cluster, changed and taken out, by the real steps."""

from __future__ import annotations

from addons.models import Operation
from kube import CLUSTER_ROLE_BINDINGS, DEPLOYMENTS, NODES, SECRETS, SERVICE_ACCOUNTS
from tests.addons.components.conftest import Place, values

NAME = "rbkci-virtual-kubelet"
SPACE = "kube-system"


def test_an_install_ends_with_a_ready_node_a_canary_a_revision_and_a_helm_record(
    kci: Place,
) -> None:
    done = kci.run(NAME, "install", values=values(kci))
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = kci.row(NAME)
    assert row is not None
    assert (row.state, row.version, row.mark) == ("installed", "v1.3.1", "")
    assert [r.status for r in row.revisions.all()] == ["deployed"]
    assert kci.get(SERVICE_ACCOUNTS, "virtual-kubelet-sa", SPACE)
    assert kci.get(CLUSTER_ROLE_BINDINGS, "virtual-kubelet-rb")
    assert kci.get(SECRETS, "sh.helm.release.v1.virtual-kubelet.v1", SPACE)
    assert kci.get(DEPLOYMENTS, "virtual-kubelet", SPACE)
    assert kci.get(NODES, "vk-kci")
