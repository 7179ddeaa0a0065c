"""A simulated cluster on its own thread, and the official client and kubectl pointed at it."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from sandbox.cluster.cluster import Cluster

Obj = dict[str, Any]
KUBECTL = Path(sys.executable).with_name("kubectl")


class Served:
    """A cluster that listens on a free port while the test's own thread makes blocking calls."""

    def __init__(self, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.folder = Path(tempfile.mkdtemp(prefix="served-"))
        self.cluster: Cluster = self.call(lambda: Cluster("served", **options))
        self.run(self.cluster.start())
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubeconfig.write_text(self.cluster.kubeconfig())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function on the cluster's loop."""

        async def work() -> Any:
            return function()

        return self.run(work())

    def stop(self) -> None:
        """Stop the cluster and its thread."""
        self.run(self.cluster.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def api(self, kubeconfig: str | None = None) -> client.ApiClient:
        """Return an official client, the administrator's or another kubeconfig's."""
        settings = client.Configuration()
        text = kubeconfig or self.kubeconfig.read_text()
        config.load_kube_config_from_dict(yaml.safe_load(text), client_configuration=settings)
        return client.ApiClient(settings)

    def token_api(self, token: str) -> client.ApiClient:
        """Return an official client that shows a bearer token."""
        return self.api(self.cluster.kubeconfig_for("someone", {"token": token}))

    def kubectl(self, *words: str, stdin: str = "", expect: int = 0, **environment: str) -> str:
        """Run kubectl; returns stdout and stderr together, AssertionError on another exit code."""
        done = subprocess.run(
            [KUBECTL, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                **os.environ,
                "KUBECONFIG": str(self.kubeconfig),
                "HOME": str(self.folder),
                "KUBE_EDITOR": "true",
                **environment,
            },
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == expect, f"kubectl {' '.join(words)}: {output}"
        return output


def pod(name: str = "web", **spec: Any) -> Obj:
    """Return a small Pod."""
    container = {"name": "web", "image": "nginx:1.27"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], **spec},
    }


def deployment(name: str = "web", replicas: int = 2, image: str = "nginx:1.27") -> Obj:
    """Return a small Deployment."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def config_map(name: str, **data: str) -> Obj:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": data,
    }
