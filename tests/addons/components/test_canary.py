"""The image of the canary: the cloud's, the setting's, the operation's; one that cannot be had."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from addons.components.steps import canary
from addons.models import Operation
from addons.sentences import read_in_english
from kube import NODES, PODS
from tests.addons.components.conftest import Place, values
from tests.addons.components.test_hosted import Hosted, hosted  # noqa: F401 - a fixture
from tests.addons.components.test_in_cluster import NAME, SPACE

ABSENT = "registry.example.com/no-such-image:1"


def test_alibaba_pulls_from_the_registry_of_its_region(settings: Any) -> None:
    vpc = "registry-vpc.cn-beijing.aliyuncs.com/eci_open/nginx:1.14.2"
    assert canary.image_for("eci", "cn-beijing") == vpc
    assert canary.image_for("acs", "cn-beijing") == vpc
    assert canary.image_for("kci", "cn-beijing-6") == "busybox:1.36"
    assert canary.image_for("eci", "") == "busybox:1.36", "no region, no registry of it"
    settings.CANARY_IMAGE = "mirror.{region}.example.com/busybox:1"
    assert canary.image_for("kci", "cn-beijing-6") == "mirror.cn-beijing-6.example.com/busybox:1"
    assert canary.image_for("eci", "cn-beijing", named="own:2") == "own:2"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "STANDS", timedelta(seconds=0.5))


def warned(operation: Operation) -> str:
    return read_in_english(operation.steps.get(name="canary").detail)


def test_a_canary_that_cannot_be_pulled_is_a_warning_and_takes_no_upgrade_back(
    place: Place, impatient: None
) -> None:
    given = values(place)
    done = place.run(NAME, "install", values=given, canary_image=ABSENT)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert "warning" in warned(done)
    assert ABSENT in warned(done)
    done = place.run(NAME, "configure", values={**given, "KCI_KUBE_PROXY": True})
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert warned(done) == "a pod ran and was removed", "the image was that operation's alone"
    pods = place.ask(lambda kube: kube.list(PODS, SPACE, labels="spillway.io/canary=true")).items
    assert pods == []
    assert place.get(NODES, given["nodename"])


def test_on_a_hosted_node_too(hosted: Hosted, impatient: None) -> None:  # noqa: F811
    done = hosted.run("install", values=hosted.values(), canary_image=ABSENT)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert ABSENT in warned(done)
    hosted.until(lambda: hosted.instances() == [])
