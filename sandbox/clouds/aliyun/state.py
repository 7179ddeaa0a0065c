"""What the simulated CS remembers: installed add-ons and tasks."""

import msgspec


class Instance(msgspec.Struct):
    """An add-on in a cluster; ``state`` is active, updating, upgrading or deleting."""

    name: str
    version: str
    config: str = "{}"
    state: str = "initial"


class Event(msgspec.Struct):
    """A line of a task's history; ``timestamp`` in Unix seconds."""

    action: str
    level: str
    message: str
    reason: str
    source: str
    timestamp: float


class Stage(msgspec.Struct):
    """A step of a task: waiting, running, success or fail."""

    name: str
    state: str = "waiting"
    message: str = ""
    began: float | None = None
    ended: float | None = None


class Change(msgspec.Struct):
    """What a task does to one add-on."""

    name: str
    version: str = ""
    config: str | None = None


class Task(msgspec.Struct):
    """A task: running, paused, success, fail or canceled. Times are Unix seconds; from ``shown`` on
    the list of tasks names it."""

    id: str
    cluster_id: str
    kind: str
    changes: list[Change]
    stages: list[Stage]
    created: float
    updated: float
    state: str = "running"
    code: str = ""
    message: str = ""
    events: list[Event] = []
    shown: float = 0.0

    @property
    def over(self) -> bool:
        """Nothing more happens to it."""
        return self.state in {"success", "fail", "canceled"}


class State(msgspec.Struct):
    """What outlives the process: instances by cluster and name, tasks by id, oldest first."""

    instances: dict[str, dict[str, Instance]] = {}
    tasks: dict[str, Task] = {}
