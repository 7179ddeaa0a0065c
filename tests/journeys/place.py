"""One empty console beside three clusters, for every journey whichever way it is walked.

The command line, REST and the browser find the same house: it is started once per session, and
each walk leaves the clusters as it found them. What is asserted is asked of the clusters (kubectl)
and of the simulated cloud's own ledger, not of the console alone.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.chaos import manifests
from tests.chaos.house import QUICK, QUICKLY, House, wait_until

ACK, IDC, KCE = "ack-hangzhou", "idc-zhangjiakou", "kce-beijing"
VK, ACK_NODE, SCHEDULER = "rbkci-virtual-kubelet", "ack-virtual-node", "ack-co-scheduler"
POLICY = "ack-one-registered-cluster-policy-ack-virtual-node"
# credential -> provider and region; cluster -> credential
KEYS = {
    "aliyun": ("eci", "cn-hangzhou"),
    "aliyun-idc": ("eci", "cn-zhangjiakou"),
    "ksyun": ("kci", "cn-beijing-6"),
}
CLUSTERS = {ACK: "aliyun", IDC: "aliyun-idc", KCE: "ksyun"}
# A rehearsal of twice the pace: stages of the cloud's tasks, pulls of images.
SPEED = 2.0
Json = dict[str, Any]
_HOUSE = pytest.StashKey["Place"]()


class Place:
    """The house and what its clusters and clouds say of themselves."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.url = f"http://127.0.0.1:{house.port}"
        self.token = (house.directory / "token").read_text().strip()
        self.clouds: Json = house.world.facts["clouds"]
        self._knobs("aliyun/knobs", stage_seconds=0.05)
        self._knobs(f"eci/knobs?region={self.region(IDC)}", **QUICK)

    @functools.cached_property
    def rest(self) -> Rest:
        return Rest(f"{self.url}/api/v1/", self.token)

    def cloud(self, name: str) -> Json:
        """Endpoint, region and network of the cloud behind a credential."""
        provider, region = KEYS[name]
        facts: Json = self.clouds[provider]
        return facts["regions"][region] if region != facts["region"] else facts

    def key(self, name: str) -> Json:
        found: Json = self.clouds[KEYS[name][0]]["keys"][0]
        return found

    def region(self, cluster: str) -> str:
        return KEYS[CLUSTERS[cluster]][1]

    def register(self) -> None:
        """Keys and clusters, over REST; what is there already stays."""
        known = self.credentials()
        for name, (provider, region) in KEYS.items():
            if name not in known:
                fields = {f: self.key(name)[f] for f in ("access_key_id", "access_key_secret")}
                body = {"name": name, "provider": provider, "region": region, **fields}
                endpoint = self.cloud(name)["endpoint"]
                self.rest.post("credentials/", {**body, "endpoint": endpoint}, expect=201)
        known, there = self.credentials(), {row["slug"] for row in self.rest.rows("clusters/")}
        for slug, credential in CLUSTERS.items():
            if slug not in there:
                file = Path(self.house.kubeconfig_of(slug)).read_text()
                body = {"name": slug, "slug": slug, "kubeconfig": file}
                more = {"credential": known[credential], "region": self.region(slug)}
                self.rest.post("clusters/", {**body, **more}, expect=201)

    def credentials(self) -> dict[str, int]:
        return {row["name"]: row["id"] for row in self.rest.rows("credentials/")}

    # --- what the clusters say ------------------------------------------------------------------

    def kubectl(self, *words: str, cluster: str, given: str | None = None) -> str:
        return self.house.kubectl(*words, cluster=cluster, given=given)

    def get(self, *words: str, cluster: str, namespace: str = "kube-system") -> Json:
        found: Json = json.loads(
            self.kubectl("-n", namespace, "get", *words, "-o", "json", cluster=cluster)
        )
        return found

    def there(self, what: str, *, cluster: str) -> bool:
        words = ("-n", "kube-system", "get", what, "--ignore-not-found", "-o", "name")
        return bool(self.kubectl(*words, cluster=cluster))

    def nodes(self, cluster: str) -> dict[str, str]:
        """Name -> what `kubectl get no` prints of each virtual node but its age."""
        words = ("get", "no", "-l", "type=virtual-kubelet", "--no-headers")
        rows = [line.split() for line in self.kubectl(*words, cluster=cluster).splitlines()]
        return {name: f"{status} {roles} {version}" for name, status, roles, _age, version in rows}

    def phases(self, app: str, cluster: str) -> list[str]:
        return [pod["status"]["phase"] for pod in self.house.pods(app, cluster=cluster)]

    def billed(self, cluster: str) -> list[Json]:
        """What the cloud's own ledger says still costs in the cluster's region."""
        provider, region = KEYS[CLUSTERS[cluster]]
        found: list[Json] = self.house.world.get(f"/{provider}/instances?region={region}")
        return [one for one in found if one["deleted_at"] is None and one["ended_at"] is None]

    def helm(self, *words: str, cluster: str) -> str:
        helm = Path(sys.executable).parent / "helm"
        done = subprocess.run(
            [helm, "--kubeconfig", self.house.kubeconfig_of(cluster), "-n", "kube-system", *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def burst(self, name: str, node: str, *, cluster: str) -> Json:
        """A pod bound to the node, running; its instance as the cloud's own ledger has it."""
        before = {one["id"] for one in self.billed(cluster)}
        self.house.apply(manifests.bound(name, node), cluster=cluster)
        running = functools.partial(self.phases, name, cluster)
        wait_until(lambda: running() == ["Running"], seconds=60, what=f"{name} runs")
        [made] = [one for one in self.billed(cluster) if one["id"] not in before]
        return made

    def edit_profile(self, **data: str) -> None:
        """`kubectl edit configmap eci-profile` in the registered cluster."""
        words = ("-n", "kube-system", "patch", "configmap", "eci-profile", "--patch")
        self.kubectl(*words, json.dumps({"data": data}), cluster=IDC)

    def controllers(self) -> set[str]:
        """The pods of ack-virtual-node in the registered cluster: a restart makes another one."""
        pods = self.get("pods", cluster=IDC)["items"]
        return {p["metadata"]["uid"] for p in pods if ACK_NODE in p["metadata"]["name"]}

    def takes_resource_policies(self) -> bool:
        """Whether the registered cluster knows the kind that comes with ack-co-scheduler."""
        policy = {
            "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
            "kind": "ResourcePolicy",
            "metadata": {"name": "nginx", "namespace": "default"},
            "spec": {
                "selector": {"app": "nginx"},
                "strategy": "prefer",
                "units": [{"resource": "idc", "max": 2}, {"resource": "eci"}],
            },
        }
        self.house.apply(policy, cluster=IDC)
        found = self.get("resourcepolicy", "nginx", namespace="default", cluster=IDC)
        self.kubectl("delete", "resourcepolicy", "nginx", cluster=IDC)
        return bool(found["spec"] == policy["spec"])

    def acs(self, *, activated: bool) -> None:
        """Whether the account has activated and authorised ACS."""
        self._knobs("aliyun/knobs", acs_activated=activated)

    def stock(self, **zones: bool) -> None:
        """What ECI has left by zone of the registered cluster's region: `a=False` for none."""
        region = self.region(IDC)
        left = {f"{region}-{zone}": any_ for zone, any_ in zones.items()}
        self._knobs(f"eci/knobs?region={region}", stock=left)

    def _knobs(self, path: str, **values: Any) -> None:
        url = f"{self.house.world.url}/{path}"
        requests.put(url, json=values, timeout=30).raise_for_status()

    def addon(self, cluster: str, name: str) -> Json:
        """What the cloud's own records say of an add-on."""
        clusters = self.house.world.facts["clusters"]
        number = next(one["id"] for one in clusters if one["name"] == cluster)
        found: Json = self.house.world.get("/aliyun/addons")[number][name]
        return found

    def settle(self) -> None:
        """What a walk that broke off left is taken away: the next one fails for itself only."""
        self.acs(activated=True)
        self.stock()
        for row in self.rest.rows("installations/"):
            if row["operation"]:
                self.rest.ended(row["operation"])
            self.rest.call("POST", f"installations/{row['id']}/uninstall/", {})
        wait_until(
            lambda: not self.rest.rows("installations/"), seconds=90, what="nothing is installed"
        )


class Rest:
    """The REST API with a token, as a program would use it."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Json | None = None) -> requests.Response:
        return self._session.request(method, self._url + path, json=body, timeout=180)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def rows(self, path: str) -> list[Json]:
        found: list[Json] = self.get(path)["results"]
        return found

    def post(self, path: str, body: Json, *, expect: int) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def plan(self, path: str, body: Json) -> Json:
        found: Json = self.post(path, {**body, "dry_run": True}, expect=200)
        return found

    def done(self, path: str, body: Json) -> Json:
        """The operation that a request began, after it succeeded."""
        answer = self.call("POST", path, body)
        assert answer.status_code == 202, f"{path}: {answer.status_code} {answer.text}"
        number = answer.json()["id"]
        assert answer.headers["Location"] == f"/api/v1/operations/{number}/"
        ended = self.ended(number)
        assert ended["state"] == "succeeded", (ended["reason"], ended["log"][-5:])
        return ended

    def ended(self, number: int) -> Json:
        def over() -> Json | None:
            found: Json = self.get(f"operations/{number}/")
            return found if found["state"] in {"succeeded", "failed", "cancelled"} else None

        found: Json = wait_until(over, seconds=90, what=f"operation {number} has ended")
        return found


def started() -> Generator[Place]:
    directory = Path(tempfile.mkdtemp(prefix="sp-walk-"))
    house = House(directory, clusters=(ACK, IDC, KCE), extra=QUICKLY, speed=SPEED)
    house.filler.empty = True
    try:
        yield Place(house.start())
    finally:
        house.stop()
        shutil.rmtree(directory, ignore_errors=True)


def shared(config: pytest.Config) -> Place:
    """The session's one place, whichever folder asks first; it ends with the session."""
    if _HOUSE not in config.stash:
        running = started()
        config.stash[_HOUSE] = next(running)
        config.add_cleanup(running.close)
    return config.stash[_HOUSE]
