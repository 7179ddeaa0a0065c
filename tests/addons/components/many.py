"""Many small simulated clusters in one process: `python -m tests.addons.components.many DIR COUNT`.

Each has one node and quick kubelets; `clusters.json` in DIR is written last: a list of
{"name", "kubeconfig"} with the kubeconfigs' text.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop

from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers.config import Config, NodeConfig, Pace, machine

NODE = NodeConfig(
    name="node-1",
    address="10.0.0.11",
    capacity=machine("8", "16Gi"),
    pod_cidr="10.244.1.0/24",
)
SMALL = Config(
    nodes=(NODE,),
    pace=Pace(sandbox=0.05, pull=0.05, stop=0.05, lease=30.0),
    coredns_replicas=0,
    node_grace=120.0,
)


async def serve(directory: Path, count: int) -> None:
    clusters = [Cluster(f"fleet-{at:02}", config=SMALL) for at in range(count)]
    for one in clusters:
        await one.start()
    told = [{"name": one.name, "kubeconfig": one.kubeconfig(token=True)} for one in clusters]
    part = directory / "clusters.part"
    part.write_text(json.dumps(told))
    part.replace(directory / "clusters.json")
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()
    for one in clusters:
        await one.stop()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
