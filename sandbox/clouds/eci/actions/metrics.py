"""DescribeContainerGroupMetric and its Multi form: plausible, repeatable figures.

Figures are a function of the group's id and of time, so that two readers see the same curve.
Units: CPU.Limit is vCPU x 1000, UsageNanoCores nano cores, memory and network bytes.
"""

import hashlib
import math
from datetime import datetime

from ..errors import invalid
from ..model import Group
from ..parameters import id_list, integer, required, text
from ..view import iso
from .base import Call, Json

PERIODS = (15, 30, 60, 600)
MAX_POINTS = 50
_GIB = 1024**3


def describe(call: Call) -> Json:
    """Return up to 50 points of one group."""
    params = call.params
    call.region()
    group = call.cloud.get(required(params, "ContainerGroupId"))
    period = integer(params, "Period", 60)
    if period not in PERIODS:
        raise invalid("Period", "15, 30, 60 or 600 is expected")
    end = _time(params.get("EndTime"), call.now)
    start = _time(params.get("StartTime"), end - MAX_POINTS * period)
    return {
        "ContainerGroupId": group.id,
        "Records": [
            _record(group, at, "ReadIO", "WriteIO") for at in _points(group, start, end, period)
        ],
    }


def describe_multi(call: Call) -> Json:
    """Return the newest point of up to 20 groups."""
    call.region()
    text(call.params, "MetricType")
    ids = id_list(call.params, "ContainerGroupIds") or []
    known = [call.cloud.groups[i] for i in ids if i in call.cloud.groups]
    return {
        "MonitorDatas": [
            {
                "ContainerGroupId": group.id,
                "Records": [
                    _record(group, at, "ReadIo", "WriteIo")
                    for at in _points(group, call.now - 60, call.now, 60)[-1:]
                ],
            }
            for group in known
        ]
    }


def _time(value: object, default: float) -> float:
    if value is None:
        return default
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError as exc:
        raise invalid("StartTime", "an RFC 3339 time is expected") from exc


def _points(group: Group, start: float, end: float, period: int) -> list[float]:
    if group.started_at is None:
        return []
    first = max(start, group.started_at)
    last = min(end, group.ended_at or end)
    count = min(MAX_POINTS, max(0, int((last - first) // period) + 1))
    return [last - (count - 1 - i) * period for i in range(count)]


def _load(group: Group, at: float) -> float:
    seed = hashlib.blake2b(group.id.encode(), digest_size=2).digest()
    base, phase = 0.15 + 0.5 * seed[0] / 255, seed[1] / 40
    return min(0.98, max(0.01, base + 0.12 * math.sin(at / 97 + phase) + 0.04 * math.sin(at / 13)))


def _record(group: Group, at: float, read_io: str, write_io: str) -> Json:
    load = _load(group, at)
    lived = max(0.0, at - (group.started_at or at))
    total = group.memory * _GIB
    traffic = int(lived * 20_000 * (0.5 + load))
    share = 1 / len(group.containers)
    return {
        "Timestamp": iso(at),
        "CPU": _cpu(group.cpu, load, lived),
        "Memory": _memory(total, load),
        "Network": {
            "Interfaces": [
                {
                    "Name": "eth0",
                    "RxBytes": traffic,
                    "RxPackets": traffic // 900,
                    "RxDrops": 0,
                    "RxErrors": 0,
                    "TxBytes": traffic // 2,
                    "TxPackets": traffic // 1800,
                    "TxDrops": 0,
                    "TxErrors": 0,
                }
            ]
        },
        "Disk": [
            {
                "Device": "/dev/vda",
                "ReadBytes": traffic // 4,
                read_io: traffic // 16384,
                "WriteBytes": traffic // 3,
                write_io: traffic // 12288,
            }
        ],
        "Filesystem": [
            {
                "FsName": "/dev/vda",
                "Category": "rootfs",
                "Capacity": 30 * _GIB,
                "Usage": 2 * _GIB + traffic // 10,
                "Available": 28 * _GIB - traffic // 10,
            }
        ],
        "Containers": [
            {
                "Name": container.name,
                "CPU": _cpu(group.cpu * share, load, lived),
                "Memory": _memory(total * share, load),
            }
            for container in group.containers
        ],
    }


def _cpu(cpu: float, load: float, lived: float) -> Json:
    used = int(cpu * load * 1e9)
    return {
        "Limit": int(cpu * 1000),
        "Load": int(load * 100),
        "UsageNanoCores": used,
        "UsageCoreNanoSeconds": int(used * lived),
    }


def _memory(total: float, load: float) -> Json:
    used = int(total * (0.2 + 0.5 * load))
    return {
        "AvailableBytes": int(total) - used,
        "UsageBytes": used,
        "Cache": used // 5,
        "Rss": used * 3 // 5,
        "WorkingSet": used * 4 // 5,
    }
