"""What a new user would do first: add a key, connect the cluster, install virtual nodes, apply."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 120.0
MANIFEST = Path(__file__).with_name("nginx.yaml")


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
        """Idempotent: an object that is there already (409) is left as it is."""
        eci = self.world["clouds"]["eci"]
        cluster = self.world["clusters"][0]
        if not self.call("GET", "/api/v1/credentials/")["results"]:
            key = eci["keys"][0]
            self.call(
                "POST",
                "/api/v1/credentials/",
                {
                    "name": "aliyun-demo",
                    "provider": "eci",
                    "region": eci["region"],
                    "endpoint": eci["endpoint"],
                    "access_key_id": key["access_key_id"],
                    "access_key_secret": key["access_key_secret"],
                },
            )
        account = self.call("GET", "/api/v1/credentials/")["results"][0]
        if not self.call("GET", "/api/v1/clusters/")["results"]:
            self.call(
                "POST",
                "/api/v1/clusters/",
                {
                    "name": cluster["name"],
                    "slug": cluster["name"],
                    "kubeconfig": Path(cluster["kubeconfig"]).read_text(),
                    "environment": "demo",
                    "credential": account["id"],
                    "region": eci["region"],
                },
            )
        self._nodes(cluster["name"], account["id"], eci)
        self._apply(cluster)

    def _nodes(self, cluster: str, account: int, eci: dict[str, Any]) -> None:
        """One per vSwitch of the cloud, unless its zone has one."""
        served = {node["zone"] for node in self._known_nodes()}
        for first in (v for v in eci["vswitches"] if v["zone"] not in served):
            others = [v for v in eci["vswitches"] if v is not first]
            placements = [{"zone": v["zone"], "subnet": v["id"]} for v in (first, *others)]
            self.call(
                "POST",
                "/api/v1/nodes/",
                {
                    "cluster": cluster,
                    "credential": account,
                    "zone": first["zone"],
                    "placements": placements,
                    "security_group": eci["security_group_id"],
                },
            )
        wanted = {vswitch["zone"] for vswitch in eci["vswitches"]}
        self._until(
            lambda: wanted <= {n["zone"] for n in self._known_nodes() if n["state"] == "ready"}
        )

    def _known_nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/api/v1/nodes/")["results"]
        return found

    def _apply(self, cluster: dict[str, Any]) -> None:
        """A plain `kubectl apply`, once per demo: later changes are the user's."""
        mark = self.directory / "applied"
        if mark.exists():
            return
        command = ["kubectl", "--kubeconfig", cluster["kubeconfig"], "apply", "-f", str(MANIFEST)]
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
            "eci_endpoint": self.world["clouds"]["eci"]["endpoint"],
            "control_url": self.world["control_url"],
            "world": str(self.directory / "world" / "world.json"),
        }
        path = self.directory / "demo.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(value, indent=2) + "\n")

    def _banner(self) -> None:
        password = (self.directory / "password").read_text().strip()
        kubeconfig = _short(self.world["clusters"][0]["kubeconfig"])
        lines = (
            "",
            f"  Spillway is up:   {self.url}",
            f"  Sign in:          admin / {password}",
            f"  Kubeconfig:       {kubeconfig}",
            f"  Facts for tools:  {_short(str(self.directory / 'demo.json'))}",
            "",
            "  Try in another terminal:",
            f"    export KUBECONFIG={kubeconfig} PATH=$PWD/.venv/bin:$PATH",
            "    kubectl get nodes",
            "    kubectl get pods -o wide",
            "    kubectl scale deployment nginx --replicas 6",
            "    kubectl delete deployment nginx",
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
