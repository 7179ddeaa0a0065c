"""A planted secret must not appear in anything that a failure leaves behind."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from kube import PODS, AddressPolicy, Kube, Limits, Secret, errors
from tests.kube.world import AUTHORITY, CANARY, door, make_pair, serve


async def _hostile(request: web.Request) -> web.StreamResponse:
    """Says back whatever it was told, in every way an answer can go wrong."""
    sent = request.headers.get("Authorization", "")
    if request.path == "/version":
        return web.Response(text=f"<html>{sent}</html>")
    if "watch" in request.query:
        body = f'{{"type":"ERROR","object":{{"code":500,"message":"{sent}"}}}}\n'
        return web.Response(text=body)
    if request.method == "PATCH":
        assert request.transport is not None
        request.transport.abort()
    if request.method == "DELETE":
        return web.Response(status=302, headers={"Location": f"/{sent}"}, text=sent)
    return web.json_response(
        {"kind": "Status", "code": 403, "reason": sent, "message": sent}, status=403
    )


async def _watch(kube: Kube) -> None:
    await anext(kube.watch(PODS, resource_version="1"))


CALLS: list[Callable[[Kube], Awaitable[object]]] = [
    lambda kube: kube.get(PODS, "p", "ns"),
    lambda kube: kube.list(PODS),
    lambda kube: kube.version(),
    lambda kube: kube.patch(PODS, "p", {}, "ns"),
    lambda kube: kube.delete(PODS, "p", "ns"),
    _watch,
]


def _everything(error: BaseException, kube: Kube) -> str:
    chain = "".join(traceback.format_exception(error))
    causes = f"{error.__cause__!r} {getattr(error.__cause__, '__dict__', '')}"
    return f"{chain}{error!r}{vars(error)}{causes}{kube!r}{kube.target!r}{kube.target}"


@pytest.mark.parametrize("call", CALLS)
async def test_a_failing_call_shows_no_secret(
    call: Callable[[Kube], Awaitable[object]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(_hostile) as server, door(server) as kube:
        with pytest.raises(errors.KubeError) as caught:
            await call(kube)
        shown = _everything(caught.value, kube)
    assert CANARY not in shown
    assert CANARY not in caplog.text


async def test_an_unreachable_cluster_shows_no_secret() -> None:
    client = make_pair("operator", signer=AUTHORITY)
    changes = {"client_cert_pem": client.cert, "client_key_pem": Secret(client.key)}
    for policy in (AddressPolicy(), AddressPolicy.of(allow=["127.0.0.1"])):
        kube = door("https://127.0.0.1:9", changes=changes, policy=policy, limits=Limits(timeout=2))
        async with kube:
            with pytest.raises(errors.KubeError) as caught:
                await kube.version()
            shown = _everything(caught.value, kube)
        assert CANARY not in shown
        assert client.key.splitlines()[1] not in shown


async def test_the_search_for_the_secret_finds_one_that_is_planted() -> None:
    async with door("https://127.0.0.1:9") as kube:
        assert CANARY in _everything(ValueError(CANARY), kube)
