"""DescribeContainerGroups, DescribeContainerGroupStatus, DescribeContainerGroupEvents."""

import base64
import binascii
from collections.abc import Callable, Iterator

from ..errors import invalid
from ..model import Group
from ..parameters import Nested, flag, id_list, integer, tags, text
from ..view import container_group, group_events, group_status
from .base import Call, Json

_FILTERS: dict[str, Callable[[Group], str]] = {
    "ContainerGroupName": lambda group: group.name,
    "Status": lambda group: group.status,
    "VSwitchId": lambda group: group.vswitch_id or group.vswitches[0],
    "ZoneId": lambda group: group.zone,
    "SecurityGroupId": lambda group: group.security_group_id,
    "ResourceGroupId": lambda group: group.request.get("ResourceGroupId", "rg-default"),
    "ComputeCategory": lambda group: ",".join(group.request.get("ComputeCategory", [])),
}


def describe(call: Call) -> Json:
    """List groups with everything about them, 20 a page."""
    with_events = flag(call.params, "WithEvent", True)
    return _page(call, "ContainerGroups", 20, lambda g: container_group(g, events=with_events))


def status(call: Call) -> Json:
    """List pod statuses, 200 a page; SinceSecond keeps what changed in the last seconds."""
    return _page(call, "Data", 200, group_status)


def events(call: Call) -> Json:
    """List events, the newest 50 of each group."""
    return _page(call, "Data", 200, group_events)


def page_number(params: Nested) -> int:
    """Return which page a call asks for, 1 for the first."""
    token = text(params, "NextToken")
    return _read_token(token)[0] if token else 1


def _page(call: Call, name: str, maximum: int, show: Callable[[Group], Json]) -> Json:
    params = call.params
    call.region()
    limit = integer(params, "Limit", maximum, 1, maximum)
    token = text(params, "NextToken")
    page, after = _read_token(token) if token else (1, 0)
    chosen: list[Group] = []
    total, more = 0, False
    for group in _matching(call):
        total += 1
        if group.seq <= after:
            continue
        if len(chosen) < limit:
            chosen.append(group)
        else:
            more = True
    answer: Json = {
        "TotalCount": total,
        name: [show(group) for group in chosen],
        "NextToken": _token(page + 1, chosen[-1].seq) if more else "",
    }
    return answer


def _matching(call: Call) -> Iterator[Group]:
    params, cloud = call.params, call.cloud
    delay = cloud.knobs.consistency_ms / 1000
    since = integer(params, "SinceSecond", 0) if "SinceSecond" in params else None
    filters = [(read, params[name]) for name, read in _FILTERS.items() if name in params]
    if params.get("RegionId") != cloud.region:
        return
    for group in _candidates(call):
        visible_from = group.created_at + delay
        if visible_from > call.now:
            continue
        if since is not None and max(group.changed_at, visible_from) < call.now - since:
            continue
        if all(read(group) == wanted for read, wanted in filters):
            yield group


def _candidates(call: Call) -> Iterator[Group]:
    ids = id_list(call.params, "ContainerGroupIds")
    wanted = tags(call.params)
    if ids is None:
        yield from call.cloud.ordered(0, wanted)
        return
    known = [call.cloud.groups[i] for i in dict.fromkeys(ids) if i in call.cloud.groups]
    for group in sorted(known, key=lambda g: g.seq):
        if wanted.items() <= group.tags.items():
            yield group


def _token(page: int, seq: int) -> str:
    return base64.urlsafe_b64encode(f"{page}.{seq}".encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, int]:
    try:
        page, _, seq = base64.urlsafe_b64decode(token + "==").decode().partition(".")
        return int(page), int(seq)
    except (ValueError, binascii.Error) as exc:
        raise invalid("NextToken", "it was not given by a previous answer") from exc
