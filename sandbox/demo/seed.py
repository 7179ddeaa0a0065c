"""What a new user would do first: add a key, connect the cluster, install virtual nodes, apply."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.demo.scene import Scene, scene

DEADLINE_SECONDS = 120.0


class Guide:
    """Waits for the world and the console, fills what is missing, prints the banner."""

    def __init__(self, directory: Path, port: int, *, empty: bool) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{port}"
        self.empty = empty
        self.token = ""
        self.world: dict[str, Any] = {}

    def run(self) -> None:
        try:
            self._run()
        except (OSError, RuntimeError, KeyError, ValueError, subprocess.SubprocessError) as error:
            print(f"The demo could not be filled: {error}", file=sys.stderr)

    def _run(self) -> None:
        self.world = json.loads(_wait(self.directory / "world" / "world.json").read_text())
        self.token = (self.directory / "token").read_text().strip()
        self._until(lambda: self.call("GET", "/api/v1/me/"))
        if not self.empty:
            self._fill()
        self._write()
        self._banner()

    def _fill(self) -> None:
        """Idempotent: what is there already is left as it is."""
        wanted = scene(self.world)
        self._bill_early()
        self._credentials(wanted)
        self._prices()
        self._clusters(wanted)
        self._nodes(wanted)
        self._apply(wanted)

    def _bill_early(self) -> None:
        """So that a pod's line of the bill can be seen without waiting for it until tomorrow."""
        for cloud in ("aliyun", "kci"):
            self._knobs(cloud, {"bill_early": True})

    def _knobs(self, cloud: str, changes: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.world['control_url']}/{cloud}/knobs"
        request = urllib.request.Request(url, json.dumps(changes).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=10) as response:
            found: dict[str, Any] = json.loads(response.read())
        return found

    def _prices(self) -> None:
        """Those of the contract with Kingsoft Cloud, which publishes none."""
        if self.call("GET", "/api/v1/billing/prices/?provider=kci&origin=operator"):
            return
        prices = self._knobs("kci", {})["prices"]["HourlyInstantSettlement"]
        common = {"provider": "kci", "per": "hour", "currency": "CNY", "source": "contract"}
        since = {"valid_from": "2026-01-01T00:00:00+08:00", "type": "*"}
        for item, amount in prices.items():
            body = {**common, **since, "item": item, "amount": amount}
            self.call("POST", "/api/v1/billing/prices/", body)

    def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"{path}?limit=100")["results"]
        return found

    def _ids(self) -> dict[str, int]:
        return {row["name"]: row["id"] for row in self._all("/api/v1/credentials/")}

    def _credentials(self, wanted: Scene) -> None:
        there = self._ids()
        for one in wanted.credentials:
            if one.name not in there:
                self.call("POST", "/api/v1/credentials/", asdict(one) | one.fields)

    def _clusters(self, wanted: Scene) -> None:
        ids = self._ids()
        there = {row["slug"] for row in self._all("/api/v1/clusters/")}
        for one in wanted.clusters:
            if one.name not in there:
                body = {
                    "name": one.name,
                    "slug": one.name,
                    "kubeconfig": one.kubeconfig.read_text(),
                    "environment": "demo",
                    "credential": ids[one.credential],
                    "region": one.region,
                }
                self.call("POST", "/api/v1/clusters/", body)

    def _nodes(self, wanted: Scene) -> None:
        """Those of zones that have none yet; back when all are Ready."""
        ids = self._ids()
        served = {(node["cluster"], node["zone"]) for node in self._all("/api/v1/nodes/")}
        for one in wanted.nodes:
            if (one.cluster, one.zone) in served:
                continue
            body = {
                "cluster": one.cluster,
                "credential": ids[one.credential],
                "zone": one.zone,
                "placements": one.placements,
                "security_group": one.security_group,
            }
            more = {
                "name": one.name,
                "second_credential": ids.get(one.second),
                "settings": one.settings,
            }
            self.call("POST", "/api/v1/nodes/", body | {k: v for k, v in more.items() if v})
        places = {(one.cluster, one.zone) for one in wanted.nodes}
        self._until(lambda: places <= self._ready())

    def _ready(self) -> set[tuple[str, str]]:
        rows = self._all("/api/v1/nodes/")
        return {(node["cluster"], node["zone"]) for node in rows if node["state"] == "ready"}

    def _apply(self, wanted: Scene) -> None:
        """A plain `kubectl apply`, once per demo: later changes are the user's."""
        mark = self.directory / "applied"
        if mark.exists():
            return
        for kubeconfig, manifest in wanted.workloads:
            command = ["kubectl", "--kubeconfig", str(kubeconfig), "apply", "-f", str(manifest)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_path())
        mark.touch()

    def _until(self, condition: Any) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                if condition():
                    return
                last = "not yet"
            except (OSError, RuntimeError) as error:
                last = str(error)
            if time.monotonic() > end:
                raise RuntimeError(f"gave up after {DEADLINE_SECONDS:.0f} s: {last}")
            time.sleep(0.2)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise RuntimeError(f"{method} {path}: {error.code} {text}") from error

    def _write(self) -> None:
        value = {
            "console_url": self.url,
            "username": "admin",
            "password_file": str(self.directory / "password"),
            "api_token": self.token,
            "kubeconfig": self.world["clusters"][0]["kubeconfig"],
            "kubeconfigs": {c["name"]: c["kubeconfig"] for c in self.world["clusters"]},
            "eci_endpoint": self.world["clouds"]["eci"]["endpoint"],
            "control_url": self.world["control_url"],
            "world": str(self.directory / "world" / "world.json"),
        }
        path = self.directory / "demo.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(value, indent=2) + "\n")

    def _banner(self) -> None:
        password = (self.directory / "password").read_text().strip()
        clusters = {c["kind"]: _short(c["kubeconfig"]) for c in self.world["clusters"]}
        first = _short(self.world["clusters"][0]["kubeconfig"])
        others = [
            f"    kubectl --kubeconfig {path} get pods -o wide"
            for kind, path in clusters.items()
            if kind in {"kce", "ack-registered"}
        ]
        lines = (
            "",
            f"  Spillway is up:   {self.url}",
            f"  Sign in:          admin / {password}",
            f"  Kubeconfigs:      {', '.join(clusters.values())}",
            f"  Facts for tools:  {_short(str(self.directory / 'demo.json'))}",
            "",
            "  Try in another terminal:",
            f"    export KUBECONFIG={first} PATH=$PWD/.venv/bin:$PATH",
            "    kubectl get nodes",
            "    kubectl get pods -o wide",
            "    kubectl describe pods -l app=nginx",
            "    kubectl scale deployment checkout --replicas 6",
            *others,
            "",
            "  Ctrl-C stops it, 'make demo' goes on where it was, 'make demo-reset' forgets it.",
            "",
        )
        print("\n".join(lines), flush=True)


def _path() -> dict[str, str]:
    """The environment with this interpreter's own tools, kubectl among them, first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}


def _wait(path: Path) -> Path:
    end = time.monotonic() + DEADLINE_SECONDS
    while not path.exists():
        if time.monotonic() > end:
            raise RuntimeError(f"{path} did not appear")
        time.sleep(0.1)
    return path


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
