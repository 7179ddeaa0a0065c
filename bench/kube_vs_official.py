"""kube/ and the official client side by side: list, watch and patch against one loopback API.

    python -m bench.kube_vs_official [--pods 10000] [--events 5000] [--patches 1500]

The API is a process of its own that answers from prepared bytes. Every measurement runs in a
fresh process: seconds of wall time, and peak memory of that process. Both clients decode into
typed objects: pydantic models here, msgspec structs there. Machines differ, so read the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import uvloop
from aiohttp import web

from bench.pod import realistic_pod

IN_FLIGHT = 50
BUDGET_SECONDS = 85.0


def serve(pods: int, events: int) -> None:
    """The API: prints its port, runs until its standard input closes."""
    uvloop.run(_serve(pods, events))


async def _serve(pods: int, events: int) -> None:
    encoded = [json.dumps(realistic_pod(i), separators=(",", ":")).encode() for i in range(pods)]
    stream = b"".join(
        b'{"type":"MODIFIED","object":' + encoded[i % pods] + b"}\n" for i in range(events)
    )

    async def listing(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for start in range(0, len(stream), 1 << 18):
                await response.write(stream[start : start + (1 << 18)])
            return response
        start = int(request.query.get("continue", "0"))
        end = min(pods, start + int(request.query.get("limit", pods)))
        meta: dict[str, str] = {"resourceVersion": "100"}
        if end < pods:
            meta["continue"] = str(end)
        head = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": meta})[:-1]
        body = head.encode() + b',"items":[' + b",".join(encoded[start:end]) + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def patched(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=encoded[0], content_type="application/json")

    app = web.Application()
    app.router.add_get("/api/v1/pods", listing)
    app.router.add_patch("/api/v1/namespaces/{ns}/pods/{name}/status", patched)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


STATUS = {
    "metadata": {"uid": "4d3a7c5e-8d1f-4b0a-9b57-000000000000"},
    "status": {"phase": "Running", "podIP": "10.1.2.3", "reason": "bench"},
}


def _official(url: str) -> Any:
    from kubernetes import client

    configuration = client.Configuration(host=url)
    configuration.connection_pool_maxsize = IN_FLIGHT
    return client.CoreV1Api(client.ApiClient(configuration))


def official_list(url: str, count: int) -> float:
    api = _official(url)
    start = time.perf_counter()
    assert len(api.list_pod_for_all_namespaces().items) == count
    return time.perf_counter() - start


def official_watch(url: str, count: int) -> float:
    from kubernetes import watch

    api = _official(url)
    start = time.perf_counter()
    source = watch.Watch().stream(api.list_pod_for_all_namespaces, timeout_seconds=60)
    for seen, _ in enumerate(source, start=1):
        if seen == count:
            break
    return time.perf_counter() - start


def official_patch(url: str, count: int) -> float:
    api = _official(url)

    def one(index: int) -> None:
        api.patch_namespaced_pod_status(f"pod-{index}", "default", STATUS)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(one, range(IN_FLIGHT)))
        start = time.perf_counter()
        list(pool.map(one, range(count)))
        return time.perf_counter() - start


def _ours(url: str) -> Any:
    from kube import AddressPolicy, Kube, Limits, Target

    policy = AddressPolicy.of(allow=["127.0.0.0/8"])
    return Kube(Target(url), policy=policy, limits=Limits(in_flight=IN_FLIGHT, timeout=60.0))


async def kube_list(url: str, count: int) -> float:
    from kube import PODS, Pod

    async with _ours(url) as kube:
        start = time.perf_counter()
        assert len((await kube.list(PODS, type=Pod)).items) == count
        return time.perf_counter() - start


async def kube_watch(url: str, count: int) -> float:
    from kube import PODS, Pod

    async with _ours(url) as kube:
        start = time.perf_counter()
        seen = 0
        async for _ in kube.watch(PODS, resource_version="100", type=Pod):
            seen += 1
        assert seen == count
        return time.perf_counter() - start


async def kube_patch(url: str, count: int) -> float:
    from kube import PODS, Pod

    async with _ours(url) as kube:

        async def one(index: int) -> None:
            await kube.patch(
                PODS, f"pod-{index}", STATUS, "default", subresource="status", type=Pod
            )

        await asyncio.gather(*(one(i) for i in range(IN_FLIGHT)))
        start = time.perf_counter()
        await asyncio.gather(*(one(i) for i in range(count)))
        return time.perf_counter() - start


OFFICIAL: dict[str, Callable[[str, int], float]] = {
    "list": official_list,
    "watch": official_watch,
    "patch": official_patch,
}
OURS: dict[str, Callable[[str, int], Any]] = {
    "list": kube_list,
    "watch": kube_watch,
    "patch": kube_patch,
}


def measure(side: str, what: str, url: str, count: int) -> None:
    """In a fresh process: prints seconds and peak MiB as JSON."""
    if side == "official":
        seconds = OFFICIAL[what](url, count)
    else:
        seconds = uvloop.run(OURS[what](url, count))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


@contextmanager
def api(pods: int, events: int) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.kube_vs_official", "serve", str(pods), str(events)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def run(side: str, what: str, url: str, count: int, deadline: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.kube_vs_official", "measure", side, what, url]
    left = max(1.0, deadline - time.monotonic())
    done = subprocess.run(
        [*command, str(count)], check=True, capture_output=True, text=True, timeout=left
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(pods: int, events: int, patches: int) -> None:
    deadline = time.monotonic() + BUDGET_SECONDS
    print(f"{'':28}{'official':>22}{'kube/':>22}{'faster':>10}{'memory':>10}")
    with api(pods, events) as url:
        for what, count in (("list", pods), ("watch", events), ("patch", patches)):
            theirs = run("official", what, url, count, deadline)
            ours = run("kube", what, url, count, deadline)
            unit = {"list": "pods", "watch": "events", "patch": f"patches, {IN_FLIGHT} at once"}
            cells = [f"{r['seconds']:.2f} s {r['peak']:6.0f} MiB" for r in (theirs, ours)]
            faster = theirs["seconds"] / ours["seconds"]
            memory = ours["peak"] / theirs["peak"]
            label = f"{what} {count:,} {unit[what]}"
            print(f"{label:32}{cells[0]:>18}{cells[1]:>22}{faster:9.1f}x{memory:9.2f}x")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=5_000)
    parser.add_argument("--patches", type=int, default=1_500)
    asked = parser.parse_args()
    compare(asked.pods, asked.events, asked.patches)


if __name__ == "__main__":
    main()
