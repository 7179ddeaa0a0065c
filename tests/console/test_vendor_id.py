"""The id of a cluster at its cloud, set by hand through REST: confirmed there, or refused."""

from __future__ import annotations

from rest_framework.test import APIClient

from addons.components import vendors
from addons.runtime.loop import Runtime
from tests.addons.components.test_managed import Ack, ack
from tests.console import cast as make
from tests.console.test_rest import program

__all__ = ["ack"]


def _client(ack: Ack) -> APIClient:
    people = make.make_cast()
    ack.cluster.team = ack.account.team = people.team
    ack.account.save()
    ack.cluster.save()
    return program(make.token(people.alice)[1])


def test_a_vendor_id_is_confirmed_by_the_cloud_or_refused_with_a_fix(
    ack: Ack, runtime: Runtime
) -> None:
    client, path = _client(ack), f"/api/v1/clusters/{ack.cluster.slug}/"
    refused = client.patch(path, {"vendor_id": "c0"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "cluster_not_known")
    assert refused.json()["fix"]
    found = vendors.find(ack.cluster, runtime)
    taken = client.patch(path, {"vendor_id": found}, format="json")
    assert taken.status_code == 200
    ack.cluster.refresh_from_db()
    assert ack.cluster.vendor_id == found
