"""ACS instances and ledger lines as they are kept. Times are Unix seconds with fractions."""

import msgspec


class Instance(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One instance: made for one pod, ended with it. Sizes are decimal text: vCPU and GiB."""

    id: str
    seq: int
    cluster: str
    namespace: str
    pod: str
    uid: str
    node: str
    zone: str
    vswitch_id: str
    eni_id: str
    ip: str
    compute_class: str
    qos: str
    cpu: str
    memory: str
    storage: int
    created_at: float
    client_token: str
    request_id: str
    model: str = ""
    cards: int = 0
    labels: dict[str, str] = {}
    eip_id: str = ""
    eip: str = ""
    status: str = "Pending"
    billed_from: float | None = None
    ended_at: float | None = None
    deleted_at: float | None = None
    reason: str = ""
    evict_at: float | None = None

    @property
    def alive(self) -> bool:
        """Tell whether it holds stock and is billed."""
        return self.ended_at is None and self.deleted_at is None

    @property
    def spec(self) -> str:
        """The billed size, as the annotation has it."""
        return f"{self.cpu}-{self.memory}Gi"


class Call(msgspec.Struct, kw_only=True):
    """One line of the ledger: something ACS was asked to do for a pod, and how it went."""

    action: str
    namespace: str
    pod: str
    uid: str
    zone: str = ""
    instance_id: str = ""
    code: str = ""
    request_id: str = ""
    seq: int = 0
    time: str = ""
