"""The matrix of a compatibility check, as people see it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from tests.addons.compat.manifests import AGENT, NODE_PORT, PLAIN, WEB
from tests.browser.conftest import OpenPage, axe_problems, shot
from tests.console import cast

pytestmark = pytest.mark.browser
BROKEN = PLAIN.replace("name: web,", "name: broken,").replace("- name: app", "- name: 1")
LOST = PLAIN.replace("name: web,", "name: lost,").replace("key: virtual", "key: rbkci-virtual")
MANIFEST = "---".join([WEB, NODE_PORT, AGENT, LOST, BROKEN])
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def alice(transactional_db: None) -> User:
    people = cast.make_cast()
    for provider in ("eci", "acs", "kci"):
        cast.account(people.team, provider=provider)
    return people.alice


@pytest.mark.parametrize(
    ("lang", "theme", "size"),
    [
        ("en", "light", (1440, 900)),
        ("zh-hans", "dark", (1440, 900)),
        ("zh-hans", "light", (640, 900)),
        ("en", "dark", (320, 800)),
    ],
)
def test_a_manifest_becomes_a_matrix(
    console_url: str,
    open_page: OpenPage,
    alice: User,
    lang: str,
    theme: str,
    size: tuple[int, int],
) -> None:
    url = console_url + reverse("compatibility")
    page = open_page(url, lang=lang, theme=theme, size=size, user=alice).page
    page.locator("#id_yaml").fill(MANIFEST)
    page.locator("form[method=post] button.pri").click()
    page.locator("table.matrix").first.wait_for()
    assert page.locator("table.matrix").count() == 3
    assert page.locator("table.matrix").first.locator("thead th").count() == 4
    assert page.evaluate(SIDEWAYS) <= 0
    assert axe_problems(page) == []
    shot(page, f"compatibility-{theme}-{lang}-{size[0]}", full=True)
