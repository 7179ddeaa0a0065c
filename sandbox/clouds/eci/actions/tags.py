"""TagResources, UntagResources, ListTagResources of container groups."""

from ..errors import invalid
from ..model import Group
from ..parameters import Nested, flag, tags, text, texts
from .base import Call, Json

KIND = "containergroup"


def _kind(params: Nested) -> None:
    if text(params, "ResourceType").lower() != KIND:
        raise invalid("ResourceType", f"{KIND} is expected")


def _groups(call: Call) -> list[Group]:
    call.region()
    _kind(call.params)
    return [call.cloud.get(group_id) for group_id in texts(call.params, "ResourceId")]


def tag(call: Call) -> Json:
    """Add or change tags."""
    added = tags(call.params)
    for group in _groups(call):
        call.cloud.retag(group, {**group.tags, **added})
        call.cloud.settle(group)
    return {}


def untag(call: Call) -> Json:
    """Remove named tags, or all with All=true."""
    names = set(texts(call.params, "TagKey"))
    everything = flag(call.params, "All")
    for group in _groups(call):
        kept = {k: v for k, v in group.tags.items() if not everything and k not in names}
        call.cloud.retag(group, kept)
        call.cloud.settle(group)
    return {}


def list_tags(call: Call) -> Json:
    """List tags of the given groups, or of every group that has the given tags."""
    call.region()
    _kind(call.params)
    wanted = tags(call.params)
    ids = texts(call.params, "ResourceId")
    groups = _groups(call) if ids else list(call.cloud.ordered(0, wanted))
    return {
        "NextToken": "",
        "TagResources": [
            {"ResourceType": KIND, "ResourceId": group.id, "TagKey": key, "TagValue": value}
            for group in groups
            for key, value in group.tags.items()
            if not wanted or wanted.get(key) == value
        ],
    }
