"""Every page of the console, full and empty, in both languages and themes, wide and narrow.

The pages are read from the URL conf: whatever answers a GET with a document is a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page

from addons.models import Operation, PodRow, VirtualNode
from console.models import Membership
from console.urls import urlpatterns
from providers import registry
from providers.models import CloudAccount
from tests.browser.conftest import COLLECT_VIOLATIONS, axe_problems
from tests.console import cast, toy

pytestmark = pytest.mark.browser

# The first tab is the page itself.
TABS = {
    "cluster-tab": ["checks", "settings"],
    "pod-tab": ["containers", "logs", "yaml", "instance"],
    "component-tab": ["versions", "configuration", "resources", "history", "logs"],
}
# The cluster and the cloud of the seeded rows do not answer; the page says so in words.
# Logs of a silent cloud are told by 409.
EXPECTED = re.compile(r"status of (409|50[234])")
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SETTLED = """() => !document.querySelector(".supply-wait")
  && [...document.querySelectorAll("vn-table")].every((t) => "ready" in t.dataset)
  && [...document.querySelectorAll("vn-chart")].every((c) => c.querySelector("canvas, p"))
  && (!document.querySelector("#swagger") || document.querySelector(".swagger-ui .opblock"))"""


def seed(user: User) -> dict[str, object]:
    """One of everything, and pods in every state a reader meets."""
    team = Group.objects.create(name="blue")
    Membership.objects.create(user=user, team=team, role=Membership.Role.OWNER)
    fleet = cast.make_fleet(team)
    now = timezone.now()
    for index, (status, phase) in enumerate(
        (
            ("ContainerCreating", "Pending"),
            ("CreateContainerConfigError", "Pending"),
            ("ImagePullBackOff", "Pending"),
            ("Completed", "Succeeded"),
            ("Error", "Failed"),
            ("Terminating", "Running"),
        )
    ):
        cast.pod(
            fleet.node,
            f"a-pod-with-a-rather-long-name-7d9c6f8b54-{index}",
            status=status,
            phase=phase,
            ready=0,
            blocker="NoStock" if index == 0 else "",
            blocker_values={"zones": "cn-hangzhou-k", "spec": "2-4Gi"} if index == 0 else {},
            running_at=now - timedelta(minutes=3) if phase != "Pending" else None,
        )
    cast.operation(
        fleet.cluster, state=Operation.State.FAILED, error="no answer", ended_at=now, started_at=now
    )
    PodRow.objects.filter(pk=fleet.pod.pk).update(running_at=now - timedelta(minutes=4))
    return {"slug": fleet.cluster.slug, "fleet": fleet, "more": clouds(fleet)}


def clouds(fleet: cast.Fleet) -> list[str]:
    """Three clouds side by side and one of the tests' own; pages that only they have."""
    team, now = fleet.cluster.team, timezone.now()
    acs = cast.account(team, provider="acs", name="acs-hangzhou")
    source = {"cluster": fleet.cluster.uid, "namespace": "kube-system", "name": "user-temp-aksk"}
    kci = cast.account(
        team,
        provider="kci",
        name="ksyun",
        region="cn-beijing-6",
        key_source=source,
        expires_at=now + timedelta(minutes=47),
        halted_at=now,
        halt_reason="EmptyList",
        halt_detail={"known": 7},
    )
    own = cast.account(team, provider="toy", region="toyland")
    fleet.node.second_account = acs
    fleet.node.save()
    told = {"shown_id": "acs-2ze9dd20c1", "written": {"alibabacloud.com/pod-use-spec": "2-4Gi"}}
    for at, (where, key) in enumerate(((fleet.node, acs), (_node(fleet, kci), kci))):
        name = f"on-{key.provider}"
        made = cast.instance(
            where,
            name,
            account=key,
            provider=key.provider,
            asked_cpu=Decimal("1.5"),
            asked_memory=Decimal(3),
            price_per_hour=None if at else Decimal("0.5"),
            told=told if key is acs else {},
        )
        pod = cast.pod(where, name, bare=True, instance=made, running_at=now)
    fleet.cluster.profile = {
        "vSwitchIds": "vsw-1,vsw-2",
        "selectors": '[{"name": "gpu", "objectSelector": {"matchLabels": {"app": "ml"}}}]',
        "enablePrivateZone": "true",
    }
    fleet.cluster.profile_problems = [
        {"path": "selectors[0]", "message": "It has no effect.", "fix": "", "values": {}}
    ]
    fleet.cluster.profile_seen_at = now
    fleet.cluster.save()
    mine = _node(fleet, own, zone="z1", placements=[{"zone": "z2", "subnet": "net-z2"}])
    new, add = reverse("credential-new"), f"{reverse('node-new')}?cluster={fleet.cluster.slug}"
    return [
        *(f"{new}?provider={name}" for name in registry.PROVIDERS),
        f"{new}?provider=toy&source=configmap",
        f"{add}&account={own.pk}",
        *(reverse("credential", args=[key.pk]) for key in (acs, kci, own)),
        reverse("node", args=[mine.pk]),
        reverse("pod-tab", args=[pod.pk, "instance"]),
        *components(fleet),
    ]


def components(fleet: cast.Fleet) -> list[str]:
    """The steps of the wizards that need no draft, and a tab of one component alone."""
    slug, name = fleet.cluster.slug, fleet.installation.component
    steps = (
        *(
            ("install", step, "hosted-virtual-node")
            for step in ("version", "network", "parameters")
        ),
        *(("configure", step, name) for step in ("network", "parameters", "preflight")),
        ("uninstall", "review", name),
    )
    address = [
        reverse("component-step", args=[slug, of, action, step]) for action, step, of in steps
    ]
    fleet_new = f"{reverse('fleet-new')}?component={name}"
    gates = reverse("component-tab", args=[slug, "kube-apiserver", "gates"])
    return [*address, f"{address[4]}?as=yaml", fleet_new, gates]


def _node(fleet: cast.Fleet, key: CloudAccount, **fields: Any) -> VirtualNode:
    given = {"provider": key.provider, "region": key.region, **fields}
    return cast.node(fleet.cluster, key, **given)


def addresses(user: User, values: dict[str, object]) -> list[str]:
    """Every page of the URL conf that this reader can open, with the seeded rows filled in."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    fleet = values.get("fleet")
    found = []
    for pattern in urlpatterns:
        if not isinstance(pattern, URLPattern) or not pattern.name:
            continue
        kwargs: dict[str, object] = {}
        names = set(pattern.pattern.converters)
        if {"action", "addon"} & names:
            continue
        if names and fleet is None:
            continue
        if "slug" in names:
            kwargs["slug"] = values["slug"]
        if "name" in names:
            kwargs["name"] = "rbkci-virtual-kubelet"
        if "pk" in names:
            kind = {"credential": "account", "fleet": "fleet_upgrade"}.get(
                root := pattern.name.split("-")[0], root
            )
            kwargs["pk"] = getattr(fleet, kind).pk if hasattr(fleet, kind) else 1
        for tab in TABS[pattern.name] if "tab" in names else [""]:
            path = reverse(pattern.name, kwargs={**kwargs, **({"tab": tab} if tab else {})})
            answer = client.get(path)
            html = answer.headers.get("Content-Type", "").startswith("text/html")
            if answer.status_code == 200 and html and b"<!doctype html>" in answer.content:
                found.append(path)
    more = values.get("more")
    return [*found, *(more if isinstance(more, list) else [])]


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "PROVIDERS", registry.PROVIDERS | toy.LINE)
    yield
    registry.dialect.cache_clear()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(
        viewport={"width": 1280, "height": 800},
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
    )
    made.add_init_script(COLLECT_VIOLATIONS)
    yield made
    made.close()


def sign_in(context: BrowserContext, url: str, user: User, lang: str) -> None:
    client = Client()
    client.force_login(user)
    cookies = {
        "django_language": lang,
        "theme": "light",
        "sessionid": client.cookies["sessionid"].value,
    }
    context.add_cookies([{"name": n, "value": v, "url": url + "/"} for n, v in cookies.items()])


def problems_of(page: Page, errors: list[str]) -> list[str]:
    """axe in both themes, overflow at 1280 and 320 pixels, the policy, the console."""
    page.wait_for_function(SETTLED)
    found = [f"light: {problem}" for problem in axe_problems(page)]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.evaluate("document.dispatchEvent(new CustomEvent('themechange'))")
    found += [f"dark: {problem}" for problem in axe_problems(page, only=["color-contrast"])]
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        if over := page.evaluate(SIDEWAYS):
            found.append(f"{over} px wider than a screen of {width}")
    page.set_viewport_size({"width": 1280, "height": 800})
    found += [f"policy: {violation}" for violation in page.evaluate("cspViolations")]
    found += [f"console: {error}" for error in errors if not EXPECTED.search(error)]
    errors.clear()
    return found


@pytest.mark.parametrize("lang", ["en", "zh-hans"])
@pytest.mark.parametrize("content", ["full", "empty"])
def test_every_page_is_accessible_fits_and_is_quiet(
    context: BrowserContext, console_url: str, lang: str, content: str
) -> None:
    user = User.objects.create_superuser("liwei", password=None)
    paths = addresses(user, seed(user) if content == "full" else {})
    assert len(paths) >= (25 if content == "full" else 13), paths
    sign_in(context, console_url, user, lang)
    page, errors = context.new_page(), list[str]()
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    found: dict[str, list[str]] = {}
    for path in paths:
        page.goto(console_url + path)
        if problems := problems_of(page, errors):
            found[path] = problems
    assert page.get_attribute("html", "lang") == ("zh-Hans" if lang == "zh-hans" else "en")
    assert found == {}
