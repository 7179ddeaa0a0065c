"""The state of the account's CS, RAM and STS, and what is written down of it."""

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..eci.account import EciAccount
from ..eci.cloud import Key
from ..eci.network import Network
from ..groups.store import Call as CallLine
from ..groups.store import Store
from . import billing, cs, ram, rpc
from .knobs import Knobs
from .state import State

RENEW_SECONDS = 600.0


class Aliyun:
    """``eci`` is the account whose keys and networks these are; ``now`` is Unix time."""

    inside: cs.Inside

    def __init__(
        self,
        store: Store,
        eci: EciAccount,
        *,
        now: Callable[[], float],
        rng: random.Random,
        speed: float = 1.0,
    ) -> None:
        self.store = store
        self.eci = eci
        self.now = now
        self._rng = rng
        self._service_keys: dict[str, Key] = {}
        self._seq = store.last_seq()
        self.ram = ram.Ram(
            msgspec.convert(store.meta("ram") or {}, ram.State),
            eci.first.keys,
            rng,
            self.account_id,
        )
        self.cs = cs.Cs(
            msgspec.convert(store.meta("cs") or {}, State),
            now=now,
            new_id=self._uuid,
            keep=self.keep,
            speed=speed,
        )
        self.cs.knobs = msgspec.convert(store.meta("knobs") or {}, Knobs)
        self.bills = billing.Account(eci, lambda: self.cs.knobs)

    @property
    def account_id(self) -> str:
        """The number of the account."""
        return self.eci.first.account_id

    @property
    def networks(self) -> dict[str, Network]:
        """The account's networks by region."""
        return {region: cloud.network for region, cloud in self.eci.regions.items()}

    def new_request_id(self) -> str:
        """Return a request id: an upper-case UUID."""
        return str(self._uuid()).upper()

    def service_key(self, role: str) -> Key:
        """Return a temporary key of a service role of the account, the same one for a while."""
        now = self.now()
        key = self._service_keys.get(role)
        if key is None or (key.expires_at or 0.0) - now < RENEW_SECONDS:
            if role not in self.ram.state.roles:
                made = self.ram.create_role(role, "", "service-linked", now)
                self.ram.attach(made, "System", ram.SERVICE_POLICY, now)
            key = self.ram.assume(self.ram.role(role), rpc.MAX_SECONDS, now)
            self._service_keys[role] = key
            self.keep()
        return key

    def keep(self) -> None:
        """Commit everything; the keys are kept with ECI's."""
        self.store.put_meta("ram", msgspec.to_builtins(self.ram.state))
        self.store.put_meta("cs", msgspec.to_builtins(self.cs.state))
        self.store.put_meta("knobs", msgspec.to_builtins(self.cs.knobs))
        self.store.commit()
        self.eci.first.save_settings()

    def record(self, line: CallLine, now: float) -> None:
        """Write a line into the ledger; its number and time are filled in here."""
        self._seq += 1
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        line.seq, line.time = self._seq, moment.replace("+00:00", "Z")
        self.store.put_call(line)

    def turn(self, changes: dict[str, Any]) -> None:
        """Change knobs; raises msgspec.ValidationError on bad names or types."""
        self.cs.knobs = self.cs.knobs.updated(changes)
        self.keep()

    def reset(self) -> None:
        """Forget calls, faults and knobs; users, keys and add-ons stay."""
        self.cs.faults.clear()
        self.store.wipe()
        self.turn(msgspec.to_builtins(Knobs()))

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._rng.getrandbits(128), version=4)
