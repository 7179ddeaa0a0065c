from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.pods.asked import qos_class
from addons.pods.container_status import Waiting
from addons.pods.diff import annotations_patch, status_patch
from addons.pods.status import failed, status_of
from providers.base import ContainerState, ContainerStatus, Instance, InstanceState, RunState
from tests.addons.pods.pods import pod

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RANK = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


def instance(state: InstanceState, *containers: ContainerStatus, **fields: Any) -> Instance:
    return Instance(
        id="eci-1",
        name="shop-web",
        state=state,
        raw_state=state.value,
        region="cn-hangzhou",
        containers=containers or None,
        **fields,
    )


def running(ready: bool = True, restarts: int = 0, last: ContainerState | None = None) -> Any:
    state = ContainerState(RunState.RUNNING, started_at=NOW)
    return ContainerStatus("app", "nginx:1", ready, restarts, state, last)


def ended(code: int, restarts: int = 0) -> ContainerStatus:
    state = ContainerState(RunState.TERMINATED, exit_code=code, started_at=NOW, finished_at=NOW)
    return ContainerStatus("app", "nginx:1", False, restarts, state)


def condition(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in status["conditions"] if c["type"] == name)


def test_before_the_instance_the_containers_are_being_created() -> None:
    status = status_of(pod(), None, now=NOW)
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(status, "Ready")["reason"] == "ContainersNotReady"
    assert condition(status, "Ready")["message"] == "containers with unready status: [app]"
    assert condition(status, "PodScheduled")["status"] == "True"
    assert status["qosClass"] == "BestEffort"


def test_a_missing_reference_is_the_reason_to_wait_and_goes_away_again() -> None:
    first = status_of(
        pod(), None, now=NOW, waiting=Waiting("CreateContainerConfigError", 'secret "x" not found')
    )
    waiting = first["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    second = status_of(pod(status=first), None, now=NOW)
    assert second["containerStatuses"][0]["state"]["waiting"] == {"reason": "ContainerCreating"}


def test_a_running_instance_is_a_ready_pod_with_an_address() -> None:
    told = instance(InstanceState.RUNNING, running(), ip="10.1.2.3")
    status = status_of(pod(), told, now=NOW, provider="eci")
    assert status["phase"] == "Running"
    assert status["podIP"] == "10.1.2.3"
    assert status["podIPs"] == [{"ip": "10.1.2.3"}]
    entry = status["containerStatuses"][0]
    assert entry["containerID"] == "eci://eci-1/app"
    assert (entry["ready"], entry["started"]) == (True, True)
    assert condition(status, "Ready")["status"] == "True"
    assert condition(status, "Initialized")["status"] == "True"


def test_nothing_is_patched_when_nothing_changed() -> None:
    told = instance(InstanceState.RUNNING, running(), ip="10.1.2.3")
    status = status_of(pod(), told, now=NOW)
    again = pod(status=status)
    assert status_patch(again, status_of(again, told, now=NOW + timedelta(hours=1))) is None


def test_a_patch_holds_what_changed_and_the_precondition() -> None:
    told = instance(InstanceState.RUNNING, running(ready=False), ip="10.1.2.3")
    before = pod(status=status_of(pod(), told, now=NOW))
    later = NOW + timedelta(seconds=9)
    ready = instance(InstanceState.RUNNING, running(), ip="10.1.2.3")
    patch = status_patch(before, status_of(before, ready, now=later))
    assert patch is not None
    assert patch["metadata"] == {"uid": "u-1", "resourceVersion": "7"}
    assert patch["status"].keys() == {"conditions", "containerStatuses"}
    assert {c["type"] for c in patch["status"]["conditions"]} == {"Ready", "ContainersReady"}
    assert all(
        c["lastTransitionTime"] == "2026-01-02T03:04:14Z" for c in patch["status"]["conditions"]
    )
    assert all(c["reason"] is None for c in patch["status"]["conditions"])


@pytest.mark.parametrize(
    ("state", "code", "phase", "reason"),
    [
        (InstanceState.SUCCEEDED, 0, "Succeeded", "PodCompleted"),
        (InstanceState.FAILED, 3, "Failed", "PodFailed"),
    ],
)
def test_an_ended_instance_ends_the_pod_with_its_exit_codes(
    state: InstanceState, code: int, phase: str, reason: str
) -> None:
    status = status_of(pod(restartPolicy="Never"), instance(state, ended(code)), now=NOW)
    assert status["phase"] == phase
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert condition(status, "Ready")["reason"] == reason
    assert condition(status, "Initialized")["status"] == "True" or code


def test_an_end_is_final() -> None:
    done = pod(status=status_of(pod(), instance(InstanceState.SUCCEEDED, ended(0)), now=NOW))
    told = instance(InstanceState.RUNNING, running())
    assert status_patch(done, status_of(done, told, now=NOW)) is None
    assert status_patch(done, failed(done, reason="X", message="y", now=NOW)) is None


def test_a_restart_keeps_the_last_state() -> None:
    crashed = ContainerState(RunState.TERMINATED, exit_code=1, reason="Error", finished_at=NOW)
    told = instance(InstanceState.RUNNING, running(restarts=2, last=crashed))
    entry = status_of(pod(), told, now=NOW)["containerStatuses"][0]
    assert entry["restartCount"] == 2
    assert entry["lastState"]["terminated"]["exitCode"] == 1


def test_a_vanished_instance_fails_the_pod_and_loses_its_containers() -> None:
    before = pod(status=status_of(pod(), instance(InstanceState.RUNNING, running()), now=NOW))
    status = failed(before, reason="InstanceGone", message="gone", now=NOW)
    assert (status["phase"], status["reason"]) == ("Failed", "InstanceGone")
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (137, "ContainerStatusUnknown")


def test_foreign_conditions_and_readiness_gates_are_respected() -> None:
    gated = pod(
        readinessGates=[{"conditionType": "lb"}],
        status={
            "phase": "Pending",
            "conditions": [{"type": "lb", "status": "False", "lastTransitionTime": "x"}],
        },
    )
    status = status_of(gated, instance(InstanceState.RUNNING, running()), now=NOW)
    assert condition(status, "ContainersReady")["status"] == "True"
    assert condition(status, "Ready")["reason"] == "ReadinessGatesNotReady"
    assert condition(status, "lb")["lastTransitionTime"] == "x"


def test_init_containers_hold_the_others_back() -> None:
    obj = pod(initContainers=[{"name": "prepare", "image": "busybox"}])
    told = instance(
        InstanceState.STARTING,
        init_containers=(
            ContainerStatus(
                "prepare", "busybox", False, 0, ContainerState(RunState.RUNNING, started_at=NOW)
            ),
        ),
    )
    status = status_of(obj, told, now=NOW)
    assert status["phase"] == "Pending"
    assert condition(status, "Initialized")["reason"] == "ContainersNotInitialized"
    waiting = status["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "PodInitializing"


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_the_qos_class_is_that_of_kubernetes(resources: dict[str, Any], qos: str) -> None:
    obj = pod(containers=[{"name": "app", "image": "i", "resources": resources}])
    assert qos_class(obj) == qos


def test_annotations_are_written_once() -> None:
    patch = annotations_patch(pod(), {"a": "1"})
    assert patch == {"metadata": {"uid": "u-1", "annotations": {"a": "1"}}}
    assert annotations_patch(pod(metadata={"annotations": {"a": "1"}}), {"a": "1"}) is None


container_states = st.one_of(
    st.builds(ContainerState, st.just(RunState.WAITING), reason=st.sampled_from(["", "Pulling"])),
    st.builds(ContainerState, st.just(RunState.RUNNING), started_at=st.just(NOW)),
    st.builds(ContainerState, st.just(RunState.TERMINATED), exit_code=st.sampled_from([0, 1, 137])),
)
containers = st.builds(
    ContainerStatus,
    name=st.just("app"),
    image=st.just("i"),
    ready=st.booleans(),
    restarts=st.integers(0, 4),
    state=container_states,
    last=st.none() | container_states,
)
tellings = st.builds(
    lambda state, told: instance(state, *told),
    st.sampled_from(InstanceState),
    st.lists(containers, max_size=1),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(tellings, max_size=8), st.sampled_from(["Always", "OnFailure", "Never"]))
def test_whatever_the_cloud_says_the_status_never_goes_back(
    told: list[Instance], policy: str
) -> None:
    obj = pod(restartPolicy=policy)
    for step, saying in enumerate(told):
        before = obj["status"]
        status = status_of(obj, saying, now=NOW + timedelta(seconds=step % 3))
        patch = status_patch(obj, status)
        assert RANK[status["phase"]] >= RANK[before["phase"]]
        if RANK[before["phase"]] == 2:
            assert patch is None
            continue
        earlier = {c["type"]: c for c in before.get("conditions", ())}
        for entry in status["conditions"]:
            previous = earlier.get(entry["type"])
            if previous:
                assert entry["lastTransitionTime"] >= previous["lastTransitionTime"]
                if previous["status"] == entry["status"]:
                    assert entry["lastTransitionTime"] == previous["lastTransitionTime"]
        counts = [c["restartCount"] for c in before.get("containerStatuses", ())]
        assert [c["restartCount"] for c in status["containerStatuses"]] >= counts
        obj = pod(restartPolicy=policy, status=status)


def with_sidecar(*, ready: bool, started: bool, app_runs: bool) -> dict[str, Any]:
    probe = {} if started else {"startupProbe": {"exec": {"command": ["true"]}}}
    side = {"name": "side", "image": "i", "restartPolicy": "Always", **probe}
    at = ContainerState(RunState.RUNNING, started_at=NOW)
    waits = ContainerState(RunState.WAITING, reason="PodInitializing")
    told = instance(
        InstanceState.RUNNING if app_runs else InstanceState.STARTING,
        ContainerStatus("side", "i", ready, 0, at),
        ContainerStatus("app", "nginx:1", app_runs, 0, at if app_runs else waits),
    )
    return status_of(pod(initContainers=[side]), told, now=NOW)


def test_a_sidecar_that_is_not_ready_keeps_its_pod_from_being_ready() -> None:
    status = with_sidecar(ready=False, started=True, app_runs=True)
    assert condition(status, "Initialized")["status"] == "True"
    for name in ("ContainersReady", "Ready"):
        assert condition(status, name)["message"] == "containers with unready status: [side]"
    ready = with_sidecar(ready=True, started=True, app_runs=True)
    assert condition(ready, "Ready")["status"] == "True"


def test_a_pod_is_initialized_once_its_sidecar_has_started_ready_or_not() -> None:
    begun = with_sidecar(ready=False, started=True, app_runs=False)
    assert condition(begun, "Initialized")["status"] == "True"
    probed = with_sidecar(ready=False, started=False, app_runs=False)
    assert condition(probed, "Initialized")["reason"] == "ContainersNotInitialized"


def test_a_sidecar_that_ended_is_not_ready_as_an_init_container_is() -> None:
    side = {"name": "side", "image": "i", "restartPolicy": "Always"}
    told = instance(InstanceState.RUNNING, replace(ended(0), name="side"), running())
    status = status_of(pod(initContainers=[side]), told, now=NOW)
    assert status["initContainerStatuses"][0]["ready"] is False
    assert condition(status, "Ready")["status"] == "False"


@pytest.mark.parametrize(
    ("whole", "qos"),
    [
        ({"limits": {"cpu": "2", "memory": "2Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "2000m"}}, "Guaranteed"),
        ({"requests": {"cpu": "2"}}, "Burstable"),
    ],
)
def test_pod_level_resources_alone_decide_the_qos_class(whole: dict[str, Any], qos: str) -> None:
    container = {"name": "app", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    assert qos_class(pod(containers=[container], resources=whole)) == qos
