"""DeleteContainerGroup, RestartContainerGroup, UpdateContainerGroup."""

from .. import meter
from ..errors import ApiFault, incorrect_status
from ..model import Container, Group
from ..parameters import flag, required, tags, text
from .base import Call, Json
from .create import RESTART_POLICIES, read_containers
from .sizing import set_size


def _group(call: Call) -> Group:
    call.region()
    group = call.cloud.get(required(call.params, "ContainerGroupId"))
    call.group_id = group.id
    return group


def delete(call: Call) -> Json:
    """Delete a group; its containers get their grace unless Force is given."""
    group = _group(call)
    force = flag(call.params, "Force")
    if group.status == "Terminating" and not force:
        raise ApiFault(
            "OperationConflict", "Request was denied due to conflict with a previous request."
        )
    call.cloud.lifecycle.delete(group, call.now, force=force)
    call.cloud.settle(group)
    return {}


def restart(call: Call) -> Json:
    """Restart every container in place; only Pending or Running groups."""
    group = _alive(call)
    call.cloud.lifecycle.rebuild(group, call.now, "Restarting")
    call.cloud.settle(group)
    return {}


def update(call: Call) -> Json:
    """Change a Pending or Running group in place; what is not given stays as it is.

    Containers and init containers are matched by name; tags are added or changed, never removed.
    A new size starts a new billed segment.
    """
    group = _alive(call)
    params = call.params
    policy = text(params, "RestartPolicy", group.restart_policy)
    if policy not in RESTART_POLICIES:
        raise ApiFault("InvalidParameter", f"RestartPolicy {policy} is not valid.")
    for kind, existing in (
        ("Container", group.containers),
        ("InitContainer", group.init_containers),
    ):
        _merge(existing, read_containers(params, kind))
    group.restart_policy = policy
    if "Volume" in params:
        group.request["Volume"] = params["Volume"]
    call.cloud.retag(group, {**group.tags, **tags(params)})
    _resize(call, group)
    call.cloud.lifecycle.rebuild(group, call.now, "Updating")
    call.cloud.settle(group)
    return {}


def _alive(call: Call) -> Group:
    group = _group(call)
    if group.status not in {"Pending", "Running"}:
        raise incorrect_status(group.id, group.status)
    return group


def _merge(existing: list[Container], changed: list[Container]) -> None:
    by_name = {container.name: index for index, container in enumerate(existing)}
    for container in changed:
        index = by_name.get(container.name)
        if index is None:
            existing.append(container)
            continue
        old = existing[index]
        old.pulled = old.pulled and old.image == container.image
        old.image, old.spec = container.image, {**old.spec, **container.spec}
        old.command, old.args = container.command or old.command, container.args or old.args
        old.cpu, old.memory = container.cpu or old.cpu, container.memory or old.memory


def _resize(call: Call, group: Group) -> None:
    if group.instance_type:
        return
    before = (group.cpu, group.memory, group.instance_type)
    asked = dict(group.request)
    asked.update((name, call.params[name]) for name in ("Cpu", "Memory") if name in call.params)
    set_size(group, asked)
    group.request = asked
    if (group.cpu, group.memory, group.instance_type) != before:
        call.cloud.used_cpu += group.cpu - before[0]
        meter.stop(group, call.now)
        meter.start(group, call.now)
