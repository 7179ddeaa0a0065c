from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from kube import CONFIGMAPS, LEASES, NODES, PODS, Access, Limits, Pod, errors
from kube.transport import Transport
from tests.kube.world import (
    AUTHORITY,
    CANARY,
    LOOPBACK,
    FakeClock,
    Secret,
    api,
    door,
    make_pair,
    serve,
    status,
    target,
)


async def test_pages_are_followed_and_the_list_carries_the_last_version() -> None:
    asked: list[dict[str, str]] = []

    async def pages(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        first = "continue" not in request.query
        meta = {"resourceVersion": "7", "continue": "next/+ page" if first else ""}
        items = [{"metadata": {"name": "a" if first else "b"}}]
        return web.json_response({"kind": "PodList", "metadata": meta, "items": items})

    async with api(pages) as kube:
        listing = await kube.list(PODS, labels="app in (a,b)", fields="spec.nodeName!=x", page=1)

    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "7"
    assert asked[1]["continue"] == "next/+ page"
    assert asked[1]["labelSelector"] == "app in (a,b)"
    assert asked[1]["fieldSelector"] == "spec.nodeName!=x"


async def test_an_expired_second_page_is_an_error_and_never_half_a_list() -> None:
    async def expires(request: web.Request) -> web.Response:
        if "continue" in request.query:
            return status(410, "Expired", "The provided continue parameter is too old")
        return web.json_response({"metadata": {"continue": "c"}, "items": [{}]})

    async with api(expires) as kube:
        with pytest.raises(errors.Gone):
            await kube.list(PODS)


async def test_a_list_that_is_null_is_empty_and_one_of_garbage_is_an_error() -> None:
    bodies = [b'{"metadata":{},"items":null}', b'{"items":[{"metadata":5}]}', b"<html>"]

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bodies.pop(0))

    async with api(answer) as kube:
        assert (await kube.list(PODS, type=Pod)).items == []
        with pytest.raises(errors.UnexpectedAnswer, match="metadata"):
            await kube.list(PODS, type=Pod)
        with pytest.raises(errors.UnexpectedAnswer):
            await kube.list(PODS, type=Pod)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", errors.Invalid),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.ServerError),
        (503, "ServiceUnavailable", errors.ServerError),
        (504, "Timeout", errors.ServerError),
    ],
)
async def test_a_status_becomes_the_exception_that_says_what_to_do(
    code: int, reason: str, expected: type[errors.ApiError]
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        cause = {"reason": "FieldValueRequired", "field": "spec.x", "message": "Required"}
        return status(code, reason, "sorry", causes=[cause], retryAfterSeconds=3)

    async with api(refuse) as kube:
        with pytest.raises(expected) as caught:
            await kube.get(NODES, "n")
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.reason, error.request_id) == (code, reason, "audit-1")
    assert error.causes == (errors.Cause("FieldValueRequired", "spec.x", "Required"),)
    assert error.retry_after == 3.0
    assert "GET /api/v1/nodes/n: sorry" in str(error)


async def test_retry_after_of_the_header_wins() -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "17"}, text="slow down")

    async with api(busy) as kube:
        with pytest.raises(errors.TooManyRequests) as caught:
            await kube.version()
    assert caught.value.retry_after == 17.0


async def test_a_redirect_is_never_followed() -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/stolen"})

    async with api(elsewhere) as kube:
        with pytest.raises(errors.UnexpectedAnswer):
            await kube.version()
    assert seen == ["/version"]


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("merge", "application/merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
        ("apply", "application/apply-patch+yaml"),
    ],
)
async def test_every_kind_of_patch_has_its_own_content_type(kind: Any, content_type: str) -> None:
    seen: dict[str, Any] = {}

    async def patched(request: web.Request) -> web.Response:
        seen.update(type=request.headers["Content-Type"], path=request.path, q=dict(request.query))
        return web.json_response(await request.json())

    async with api(patched) as kube:
        answer = await kube.patch(
            PODS, "p", {"a": 1}, "ns", kind=kind, subresource="status", dry_run=True
        )
    assert answer == {"a": 1}
    assert seen["type"] == content_type
    assert seen["path"] == "/api/v1/namespaces/ns/pods/p/status"
    assert seen["q"]["fieldManager"] == "spillway"
    assert seen["q"]["dryRun"] == "All"
    assert ("force" in seen["q"]) == (kind == "apply")


async def test_a_delete_carries_its_preconditions_and_a_missing_object_is_none() -> None:
    bodies: list[dict[str, Any]] = []

    async def delete(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        if request.path.endswith("/gone"):
            return status(404, "NotFound")
        return web.json_response({"kind": "Status", "status": "Success"})

    async with api(delete) as kube:
        answer = await kube.delete(
            PODS, "p", "ns", uid="u-1", grace_seconds=0, propagation="Background"
        )
        assert answer == {"kind": "Status", "status": "Success"}
        assert await kube.delete(PODS, "gone", "ns") is None
    assert bodies[0]["preconditions"] == {"uid": "u-1"}
    assert bodies[0]["gracePeriodSeconds"] == 0
    assert bodies[0]["propagationPolicy"] == "Background"
    assert "preconditions" not in bodies[1]


async def test_the_deadline_holds_for_a_server_that_never_answers() -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with api(hang, limits=Limits(timeout=0.2)) as kube:
        with pytest.raises(errors.DeadlineExceeded) as read:
            await kube.get(LEASES, "x", "ns")
        with pytest.raises(errors.DeadlineExceeded) as written:
            await kube.patch(LEASES, "x", {}, "ns")
    assert not read.value.outcome_unknown
    assert written.value.outcome_unknown


async def test_no_more_calls_are_in_flight_than_allowed() -> None:
    now, most = 0, 0

    async def count(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return web.json_response({})

    async with api(count, limits=Limits(in_flight=3, timeout=10)) as kube:
        await asyncio.gather(*(kube.get(CONFIGMAPS, f"c{i}", "ns") for i in range(40)))
    assert 1 <= most <= 3


async def test_a_call_that_never_left_the_queue_says_that_nothing_happened() -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        arrived.set()
        await release.wait()
        return web.json_response({})

    async with serve(hang) as server:
        transport = Transport(
            target(server),
            name="t",
            policy=LOOPBACK,
            limits=Limits(in_flight=1),
            clock=FakeClock(),
        )
        first = asyncio.create_task(transport.call("PATCH", "/x", body=b"{}"))
        await arrived.wait()
        with pytest.raises(errors.DeadlineExceeded, match="queued") as second:
            await transport.call("PATCH", "/x", body=b"{}", timeout=0.1)
        release.set()
        assert await first == b"{}"
        await transport.close()
    assert not second.value.outcome_unknown


async def test_the_circuit_opens_after_failures_in_a_row_and_one_probe_closes_it() -> None:
    clock = FakeClock()
    healthy = False
    seen = 0

    async def flaky(request: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        if not healthy:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({})

    limits = Limits(timeout=5, failures_to_open=3, open_seconds=2, open_seconds_max=3)
    async with api(flaky, limits=limits, clock=clock) as kube:
        for _ in range(3):
            with pytest.raises(errors.Unreachable) as lost:
                await kube.patch(NODES, "n", {})
        assert lost.value.outcome_unknown
        assert kube.circuit == "open"
        before = seen
        with pytest.raises(errors.CircuitOpen) as refused:
            await kube.version()
        assert refused.value.retry_after == pytest.approx(2.0)
        assert seen == before

        clock.now += 2.1
        with pytest.raises(errors.Unreachable):
            await kube.patch(NODES, "n", {})
        clock.now += 2.1
        with pytest.raises(errors.CircuitOpen):
            await kube.version()

        clock.now += 1.0
        healthy = True
        results = await asyncio.gather(*(kube.version() for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(r, errors.CircuitOpen) for r in results) == 3
        assert kube.circuit == "closed"
        assert await kube.version() == {}


async def test_a_refusal_by_the_server_does_not_open_the_circuit() -> None:
    async def forbid(request: web.Request) -> web.Response:
        return status(403, "Forbidden")

    async with api(forbid, limits=Limits(failures_to_open=2)) as kube:
        for _ in range(5):
            with pytest.raises(errors.Forbidden):
                await kube.version()
        assert kube.circuit == "closed"


async def test_an_answer_without_end_is_cut_off() -> None:
    async def flood(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 200_000)

    async with api(flood, limits=Limits(max_body=100_000)) as kube:
        with pytest.raises(errors.UnexpectedAnswer, match="larger"):
            await kube.version()


async def test_access_is_asked_for_each_permission() -> None:
    async def review(request: web.Request) -> web.Response:
        body = await request.json()
        attributes = body["spec"]["resourceAttributes"]
        return web.json_response({"status": {"allowed": attributes["verb"] == "get"}}, status=201)

    get, delete = Access("get", "pods"), Access("delete", "leases", group="coordination.k8s.io")
    async with api(review) as kube:
        assert await kube.can_i([get, delete, get]) == {get: True, delete: False}


async def test_the_servers_clock_is_compared_with_ours() -> None:
    async def dated(request: web.Request) -> web.Response:
        return web.json_response({}, headers={"Date": "Thu, 01 Jan 1970 00:18:20 GMT"})

    async with api(dated, clock=FakeClock()) as kube:
        assert kube.server_date() is None
        await kube.version()
        seen = kube.server_date()
    assert seen is not None
    assert seen.skew == 100.0


@pytest.mark.parametrize("name", ["", "..", "a/../../secrets/b", "x?y=1", "%2e%2e"])
async def test_a_name_cannot_leave_its_place_in_the_path(name: str) -> None:
    seen: list[str] = []

    async def echo(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.json_response({})

    async with api(echo) as kube:
        try:
            await kube.get(PODS, name, "ns")
        except ValueError:
            assert name in {"", ".."}
    for path in seen:
        assert path.startswith("/api/v1/namespaces/ns/pods/")
        assert path.count("/") == 6
        assert "?" not in path


async def test_the_token_travels_over_https_only() -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    async with serve(note) as secure, serve(note, plain=True) as plain:
        for server in (secure, plain):
            async with door(server) as kube:
                await kube.version()
    assert seen == [f"Bearer {CANARY}", None]


async def test_a_path_prefix_of_the_server_is_kept() -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({})

    async with serve(note) as server, door(f"{server}/k8s/clusters/c-1/") as kube:
        await kube.version()
    assert seen == ["/k8s/clusters/c-1/version"]


async def test_a_client_certificate_is_shown_to_the_server() -> None:
    seen: list[Any] = []

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        seen.append(request.transport.get_extra_info("peercert"))
        return web.json_response({})

    client = make_pair("operator", signer=AUTHORITY)
    changes = {"client_cert_pem": client.cert, "client_key_pem": Secret(client.key), "token": None}
    async with serve(note, ask_for_client=True) as server, door(server, changes=changes) as kube:
        await kube.version()
    assert (("commonName", "operator"),) in seen[0]["subject"]


async def test_a_hostile_server_cannot_make_us_print_the_token() -> None:
    async def echo(request: web.Request) -> web.Response:
        token = request.headers["Authorization"]
        cause = {"reason": token, "field": token, "message": token}
        return status(403, token, f"you sent {token}", causes=[cause])

    async with api(echo) as kube:
        with pytest.raises(errors.Forbidden) as caught:
            await kube.version()
        shown = f"{caught.value!r} {caught.value} {vars(caught.value)} {kube!r} {kube.target!r}"
    assert CANARY not in shown
    assert "you sent Bearer ***" in shown


async def test_logs_come_in_pieces_with_the_asked_options() -> None:
    seen: dict[str, str] = {}

    async def log(request: web.Request) -> web.StreamResponse:
        seen.update(request.query)
        response = web.StreamResponse()
        await response.prepare(request)
        for line in (b"one\n", b"two\n"):
            await response.write(line)
        return response

    async with api(log) as kube:
        pieces = [
            piece
            async for piece in kube.logs("ns", "p", container="c", tail_lines=0, timestamps=True)
        ]
    assert b"".join(pieces) == b"one\ntwo\n"
    assert seen == {"container": "c", "tailLines": "0", "timestamps": "true"}


async def test_a_closed_door_stays_closed() -> None:
    async def fine(request: web.Request) -> web.Response:
        return web.json_response({})

    async with api(fine) as kube:
        await kube.version()
    with pytest.raises(RuntimeError, match="closed"):
        await kube.version()


async def test_a_probe_that_proves_nothing_lets_the_next_one_through() -> None:
    clock = FakeClock()
    big = False

    async def answer(request: web.Request) -> web.Response:
        if not big:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=b"x" * 2_000)

    limits = Limits(failures_to_open=1, max_body=1_000)
    async with api(answer, limits=limits, clock=clock) as kube:
        with pytest.raises(errors.Unreachable):
            await kube.patch(NODES, "n", {})
        big = True
        clock.now += 5
        for _ in range(2):
            with pytest.raises(errors.UnexpectedAnswer):
                await kube.version()
