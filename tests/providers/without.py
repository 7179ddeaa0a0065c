"""Run in a copy of the product that lacks a cloud: does all the rest still work?

`python -m tests.providers.without`, with the copy as working directory. Prints the clouds that are
left; any failure is an exception.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import tests.env  # noqa: F401 - the environment, before Django reads it

PAGES = (
    *("overview", "clusters", "nodes", "pods", "orphans", "operations", "credentials"),
    *("credential-new", "node-new", "cluster-new", "compatibility", "settings-profile"),
    *("api:clusters-list", "api:nodes-list", "api:pods-list", "api:operations-list"),
    *("api:orphans-list", "api:credentials-list", "api:providers", "api:overview", "api:schema"),
)
MANIFEST = "{kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b}]}}"


def import_everything() -> int:
    """How many modules were imported."""
    names = []
    for room in ("console", "addons", "providers", "kube"):
        package = importlib.import_module(room)
        names += [m.name for m in pkgutil.walk_packages(package.__path__, f"{room}.")]
    names = [name for name in names if not name.endswith(".__main__")]
    for name in names:
        importlib.import_module(name)
    return len(names)


def prepare() -> None:
    """An empty database without the history of its tables, and no Redis."""
    import django
    from django.conf import settings

    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    django.setup()
    from django.apps import apps
    from django.core.management import call_command

    settings.MIGRATION_MODULES = dict.fromkeys(a.label for a in apps.get_app_configs())
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.ALLOWED_HOSTS = ["testserver"]
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("check", verbosity=0)


def look_around() -> None:
    """Pages and REST of an installation with every cloud that is left."""
    from django.test import Client
    from django.urls import reverse

    from providers.registry import PROVIDERS, dialect
    from tests.console import cast

    people = cast.make_cast()
    client = Client()
    client.force_login(people.alice)
    for name in PROVIDERS:
        account = cast.account(people.team, provider=name)
        node = cast.node(cast.cluster(people.team, account=account), account, provider=name)
        instance = cast.instance(node, f"web-{name}", provider=name)
        cast.pod(node, instance.pod_name, bare=True, instance=instance)
        cast.orphan(account)
        for page, pk in (("credential", account.pk), ("node", node.pk)):
            assert client.get(reverse(page, args=[pk])).status_code == 200, (page, name)
        assert client.get(reverse("api:credentials-policy", args=[name])).status_code == 200
    for page in PAGES:
        assert client.get(reverse(page)).status_code == 200, page
    titles = [row["title"] for row in client.get(reverse("api:providers")).json()]
    assert sorted(titles) == sorted(dialect(name).title for name in PROVIDERS)
    body = json.dumps({"yaml": MANIFEST})
    answer = client.post(reverse("api:compatibility"), body, "application/json").json()
    asked = [cloud["provider"] for cloud in answer["workloads"][0]["clouds"]]
    assert asked == list(PROVIDERS), asked


def main() -> None:
    prepare()
    assert import_everything() > 100
    look_around()
    from providers.registry import PROVIDERS

    sys.stdout.write("\n" + json.dumps(list(PROVIDERS)))


if __name__ == "__main__":
    main()
