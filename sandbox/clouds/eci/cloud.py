"""The simulated account: its groups, keys, network, knobs and everything that is counted."""

import random
import string
import uuid
from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec

from ..groups.roster import Roster
from ..groups.store import Store
from . import network as networks
from .caches import ImageCache, ImageCaches
from .errors import group_not_found
from .knobs import Knobs
from .lifecycle import Lifecycle
from .limits import Buckets
from .model import TERMINAL, Group, is_spot
from .signing import Nonces

RETAINED_PER_REGION = 100
TOKEN_SECONDS = 24 * 3600
COMMIT_SECONDS = 0.25


class Key(msgspec.Struct):
    """An AccessKey pair. Without ``permission`` RAM denies everything but the caller's identity.

    ``allowed`` and ``refused`` are patterns such as ``eci:Describe*`` from the policies of the RAM
    user or role that the key is of; ``allowed`` None is every action. A temporary key has a
    ``token`` and ends at ``expires_at`` (Unix seconds).
    """

    access_key_id: str
    access_key_secret: str
    note: str
    disabled: bool = False
    permission: bool = True
    denied_actions: list[str] = []
    user_id: str = ""
    user: str = ""
    allowed: list[str] | None = None
    refused: list[str] = []
    token: str = ""
    expires_at: float | None = None
    created_at: float = 0.0
    used_at: float | None = None

    @property
    def owner(self) -> str:
        """The name of the RAM user or role that the key is of."""
        return self.user or self.note.replace(" ", "-")

    def may(self, action: str, product: str = "eci") -> bool:
        """Tell whether RAM allows an action of a product."""
        if not self.permission or action in self.denied_actions:
            return False
        name = f"{product}:{action}".lower()
        if any(fnmatchcase(name, pattern.lower()) for pattern in self.refused):
            return False
        if self.allowed is None:
            return True
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.allowed)


class EciCloud(Roster):
    """One account in one region. ``now`` is Unix time; ``rng`` makes ids and keys."""

    knobs: Knobs

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        rng: random.Random,
        region: str = "cn-hangzhou",
        account_id: str = "1234567890123456",
        speed: float = 1.0,
    ) -> None:
        self.network = networks.build(region)
        super().__init__(store, now, self.network.vswitches)
        self.region = region
        self.account_id = account_id
        self.speed = speed
        self.knobs = Knobs()
        self.buckets = Buckets()
        self.nonces = Nonces()
        self.caches = ImageCaches()
        self.lifecycle: Lifecycle = Lifecycle(lambda: self.knobs, self._place, self._cache, speed)
        self.keys: dict[str, Key] = {}
        self.endpoints: dict[str, str] = {}
        self._rng = rng
        self._tokens: dict[str, Group] = {}
        self._retired: deque[str] = deque()
        self._restore()

    @property
    def keyring(self) -> dict[str, Key]:
        """The account's keys by id."""
        return self.keys

    def new_id(self, prefix: str) -> str:
        """Return a fresh resource id such as ``eci-bp1…``."""
        alphabet = string.ascii_lowercase + string.digits
        return f"{prefix}-bp1{''.join(self._rng.choices(alphabet, k=17))}"

    def new_request_id(self) -> str:
        """Return a request id: an upper-case UUID."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4)).upper()

    def add(self, group: Group) -> None:
        """Take a new group in and start its life."""
        if group.client_token:
            self._tokens[group.client_token] = group
        super().add(group)

    def get(self, group_id: str) -> Group:
        """Return a group the API knows; raises ApiFault otherwise."""
        group = self.groups.get(group_id)
        if group is None:
            raise group_not_found(group_id)
        return group

    def by_token(self, token: str, now: float) -> Group | None:
        """Return what a ClientToken created within its validity, deleted or not."""
        group = self._tokens.get(token)
        return group if group and now - group.created_at < TOKEN_SECONDS else None

    def reset(self) -> None:
        """Forget every instance and call, and put knobs, faults and key settings back."""
        self.clear()
        self._tokens.clear()
        self._retired.clear()
        self.caches = ImageCaches()
        self.store.put_meta("image_caches", [])
        self.buckets.refill()
        self.knobs = Knobs()
        for key in self.keys.values():
            key.disabled, key.denied_actions = False, []
            key.permission = key.note != "no permission"
        self.save_settings()

    def save_settings(self) -> None:
        """Keep keys and knobs."""
        self.store.put_meta("keys", msgspec.to_builtins(list(self.keys.values())))
        self.store.put_meta("knobs", msgspec.to_builtins(self.knobs))
        self.store.commit()

    def in_stock(self, zone: str, group: Group) -> bool | str:
        """Tell whether a zone has room for a group: True, False or "late"."""
        spec = f"{group.cpu:g}-{group.memory:g}Gi"
        if "InstanceTypes" in group.request:
            spec = group.instance_type
        for tier in group.request.get("ComputeCategory", []):
            return self.knobs.in_stock(zone, [f"{spec} {tier}", spec])
        if is_spot(group):
            left = self.knobs.in_stock(zone, [f"{spec} spot", "spot"])
            return left if left is not True else self.knobs.in_stock(zone, [spec])
        return self.knobs.in_stock(zone, [spec])

    def _place(self, group: Group, _at: float) -> bool:
        for vswitch_id in group.vswitches:
            vswitch = self.network.vswitches[vswitch_id]
            if self.in_stock(vswitch.zone, group) is True and vswitch.free > 0:
                group.ip = vswitch.take()
                group.zone, group.vswitch_id, group.vpc_id = (
                    vswitch.zone,
                    vswitch.id,
                    vswitch.vpc_id,
                )
                group.eni_id = self.new_id("eni")
                if "EipInstanceId" in group.request or "AutoCreateEip" in group.request:
                    group.internet_ip = f"47.96.{group.seq >> 8 & 255}.{group.seq & 255}"
                return True
        return False

    def _cache(self, group: Group, at: float) -> ImageCache | None:
        wanted = group.request.get("ImageSnapshotId")
        if wanted:
            return self.caches.by_id.get(wanted)
        if str(group.request.get("AutoMatchImageCache", "")).lower() != "true":
            return None
        images = {container.image for container in [*group.init_containers, *group.containers]}
        found = self.caches.best(images, at)
        if found is not None:
            found.matched_at = at
        return found

    def ended(self, group: Group) -> None:
        """Keep the newest hundred ended groups an hour after their end, forget the others."""
        if group.status == "ScheduleFailed":
            group.purged = True
            return
        self._retired.append(group.id)
        while len(self._retired) > RETAINED_PER_REGION:
            oldest = self.groups.get(self._retired.popleft())
            if oldest:
                oldest.purged = True
                self.settle(oldest)

    def _restore(self) -> None:
        self.keys = {
            key.access_key_id: key
            for key in msgspec.convert(self.store.meta("keys") or [], list[Key])
        } or self._first_keys()
        self.knobs = msgspec.convert(self.store.meta("knobs") or {}, Knobs)
        kept = msgspec.convert(self.store.meta("image_caches") or [], list[ImageCache])
        self.caches = ImageCaches(kept)
        for group in self.store.groups():
            if group.client_token:
                self._tokens[group.client_token] = group
            self.restore(group)
        ended = [g for g in self.groups.values() if g.status in TERMINAL and not g.steps]
        self._retired.extend(g.id for g in sorted(ended, key=lambda g: g.ended_at or 0.0))

    def _first_keys(self) -> dict[str, Key]:
        made = [self._make_key("full access", True), self._make_key("no permission", False)]
        self.store.put_meta("keys", msgspec.to_builtins(made))
        return {key.access_key_id: key for key in made}

    def _make_key(self, note: str, permission: bool) -> Key:
        alphabet = string.ascii_letters + string.digits
        return Key(
            access_key_id="LTAI5t" + "".join(self._rng.choices(alphabet, k=18)),
            access_key_secret="".join(self._rng.choices(alphabet, k=30)),
            note=note,
            permission=permission,
            user_id="2" + "".join(self._rng.choices(string.digits, k=17)),
        )
