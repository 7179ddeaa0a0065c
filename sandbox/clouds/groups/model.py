"""Container groups as the simulated cloud keeps them.

Times are Unix seconds with fractions; the API shows them cut to whole seconds, and so does the
meter. Every struct is plain data, encoded as JSON into the store.
"""

from typing import Any

import msgspec

TERMINAL = frozenset({"Succeeded", "Failed", "Expired", "ScheduleFailed"})
BILLED = frozenset({"Pending", "Running", "Restarting", "Updating", "Terminating"})
MAX_EVENTS = 50


class State(msgspec.Struct, omit_defaults=True):
    """State of one container: Waiting, Running or Terminated."""

    kind: str = "Waiting"
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: float | None = None
    finished_at: float | None = None


class Container(msgspec.Struct, omit_defaults=True):
    """One container: its request as given (``spec``) and what became of it."""

    name: str
    image: str
    command: list[str] = []
    args: list[str] = []
    cpu: float = 0.0
    memory: float = 0.0
    gpu: int = 0
    spec: dict[str, Any] = {}
    state: State = msgspec.field(default_factory=State)
    previous: State | None = None
    ready: bool = False
    pulled: bool = False
    restarts: int = 0

    @property
    def argv(self) -> list[str]:
        """Command and arguments together."""
        return [*self.command, *self.args]

    def environment(self) -> dict[str, str]:
        """Environment variables as given, values only."""
        pairs = self.spec.get("EnvironmentVar", [])
        return {pair["Key"]: pair.get("Value", "") for pair in pairs if "Key" in pair}


class Event(msgspec.Struct):
    """An event of the group, counted when it repeats."""

    type: str
    reason: str
    message: str
    first: float
    last: float
    count: int = 1


class Condition(msgspec.Struct):
    """A pod condition with the time of its last change."""

    type: str
    status: str
    reason: str
    message: str
    changed_at: float


class Segment(msgspec.Struct):
    """A billed stretch of one size; ``until`` is None while it runs."""

    since: float
    cpu: float
    memory: float
    instance_type: str
    until: float | None = None


class Group(msgspec.Struct, omit_defaults=True):
    """A container group and everything that happens to it.

    ``steps`` holds what will happen next as (due, step, container), earliest first.
    """

    id: str
    seq: int
    name: str
    region: str
    account_key: str
    created_at: float
    status: str
    vswitches: list[str]
    containers: list[Container]
    init_containers: list[Container] = []
    zone: str = ""
    vswitch_id: str = ""
    vpc_id: str = ""
    security_group_id: str = ""
    ip: str = ""
    eni_id: str = ""
    internet_ip: str = ""
    cpu: float = 0.0
    memory: float = 0.0
    instance_type: str = ""
    restart_policy: str = "Always"
    tags: dict[str, str] = {}
    request: dict[str, Any] = {}
    client_token: str = ""
    fingerprint: str = ""
    request_id: str = ""
    events: list[Event] = []
    conditions: list[Condition] = []
    steps: list[tuple[float, str, str]] = []
    segments: list[Segment] = []
    started_at: float | None = None
    succeeded_at: float | None = None
    failed_at: float | None = None
    expired_at: float | None = None
    deleted_at: float | None = None
    purged: bool = False
    released: bool = False
    changed_at: float = 0.0

    @property
    def ended_at(self) -> float | None:
        """When the group reached a terminal status."""
        return self.succeeded_at or self.failed_at or self.expired_at

    @property
    def gone(self) -> bool:
        """Tell whether the API no longer knows this group."""
        return self.purged or self.deleted_at is not None

    def container(self, name: str) -> Container | None:
        """Find a container or init container by name."""
        every = [*self.containers, *self.init_containers]
        return next((c for c in every if c.name == name), None)

    def environment(self, container: Container) -> dict[str, str]:
        """Return the environment that a command sees inside a container."""
        system = {"PATH": "/usr/bin:/bin", "HOSTNAME": self.name, "HOME": "/root"}
        return system | container.environment()

    def record(self, kind: str, reason: str, message: str, at: float) -> None:
        """Add an event, or count it once more; only the newest 50 stay."""
        for event in self.events:
            if event.reason == reason and event.message == message:
                event.count += 1
                event.last = at
                return
        self.events.append(Event(kind, reason, message, at, at))
        del self.events[:-MAX_EVENTS]

    def condition(
        self, kind: str, status: bool, at: float, reason: str = "", message: str = ""
    ) -> None:
        """Set a condition; its time moves only when the status changes."""
        text = "True" if status else "False"
        for condition in self.conditions:
            if condition.type == kind:
                if condition.status != text:
                    condition.changed_at = at
                condition.status, condition.reason, condition.message = text, reason, message
                return
        self.conditions.append(Condition(kind, text, reason, message, at))
