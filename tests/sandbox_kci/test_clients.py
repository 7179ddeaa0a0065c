"""Requests as other official clients sign them, made by hand, and everything a gateway refuses."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
import pytest

from sandbox.clouds.kci import signing

REGION = "cn-beijing-6"
FORM = "application/x-www-form-urlencoded"
DESCRIBE = {"Action": "DescribeContainerGroup", "Version": "2020-07-02"}


class Signer:
    """Signs as a client would: which headers, in which list, with which additions later."""

    def __init__(self, wire, *, service="kci", region=REGION, key=None, at=None):
        self.wire, self.service, self.region = wire, service, region
        self.key = key or wire.key()
        self.at = at or datetime.now(UTC)
        self.host = wire.gateway.url.removeprefix("http://")

    def signature(self, method, query, names, headers, body=b"", path="/"):
        scope = f"{self.at:%Y%m%d}/{self.region}/{self.service}/aws4_request"
        known = {"host": self.host, **{k.lower(): v for k, v in headers.items()}}
        arrived = signing.Wire(method, path, query, known, body)
        canonical = signing.canonical_request(arrived, names)
        claims = signing.Signed(
            self.key.access_key_id, *scope.split("/")[:3], self.at, "", canonical
        )
        return f"{self.key.access_key_id}/{scope}", claims.sign(self.key.access_key_secret)

    def headers(self, method, query, names, headers, body=b"", path="/"):
        headers = {"X-Amz-Date": f"{self.at:%Y%m%dT%H%M%SZ}", **headers}
        credential, signature = self.signature(method, query, names, headers, body, path)
        return {
            **headers,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}",
        }


async def send(wire, method, query, headers, body=b"", path="/"):
    """Send a request as it stands; return (status, answer)."""
    url = f"{wire.gateway.url}{path}?{query}" if query else f"{wire.gateway.url}{path}"
    headers = {"Accept": "application/json", **headers}
    skip = {"Content-Type", "User-Agent"}
    async with (
        aiohttp.ClientSession(skip_auto_headers=skip) as session,
        session.request(
            method, aiohttp.client.URL(url, encoded=True), headers=headers, data=body or None
        ) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def described(wire, signer=None, params=None, **more):
    """Describe with a minimal client; ``more`` are headers added after signing."""
    signer = signer or Signer(wire)
    query = urlencode(params or DESCRIBE)
    headers = signer.headers("GET", query, ["host", "x-amz-date"], {})
    return await send(wire, "GET", query, {**headers, **more})


def code(answer):
    status, body = answer
    return status, body.get("Error", {}).get("Code", "")


async def test_the_go_client_that_lists_host_twice_is_understood(wire):
    body = urlencode({**DESCRIBE, "Service": "kci"}).encode()
    names = ["accept", "content-type", "host", "host", "x-amz-date"]
    given = {"Accept": "application/json", "Content-Type": FORM}
    headers = Signer(wire).headers("POST", "", names, given, body)
    assert "host;host" in headers["Authorization"]
    assert code(await send(wire, "POST", "", headers, body)) == (200, "")


async def test_action_in_the_query_and_the_rest_in_the_body_is_one_request(wire):
    body = urlencode({"MaxResults": "7", "Filter.1.Name": "status", "Filter.1.Value.1": "Running"})
    names = ["content-length", "content-type", "host", "x-amz-date"]
    given = {"Content-Type": FORM, "Content-Length": str(len(body))}
    query = urlencode(DESCRIBE)
    headers = Signer(wire).headers("POST", query, names, given, body.encode())
    status, answer = await send(wire, "POST", query, headers, body.encode())
    assert (status, answer["MaxResults"], answer["ContainerGroups"]) == (200, 7, [])


async def test_a_json_body_and_indexes_from_any_base_are_read(wire):
    network = wire.cloud.network
    wanted = {
        "ContainerGroupName": "json",
        "MultiSubnetId": list(network.subnets),
        "SecurityGroupId": [network.default_security_group.id],
        "Container": [{"Name": "main", "Image": "nginx", "Command": ["sleep", "9"]}],
        "RetainIp": True,
        "Cpu": 2,
    }
    query = urlencode({**DESCRIBE, "Action": "CreateContainerGroup"})
    names = ["content-type", "host", "x-amz-content-sha256", "x-amz-date"]
    body = json.dumps(wanted).encode()
    given = {
        "Content-Type": "application/json; charset=utf-8",
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    headers = Signer(wire).headers("POST", query, names, given, body)
    assert code(await send(wire, "POST", query, headers, body)) == (200, "")
    flat = {
        **DESCRIBE,
        "Action": "CreateContainerGroup",
        "ContainerGroupName": "flat",
        "SubnetId": next(iter(network.subnets)),
        "SecurityGroupId.7": network.default_security_group.id,
        "Container.1.Name": "main",
        "Container.1.Image": "nginx",
        "Container.1.Command.10": "9",
        "Container.1.Command.2": "sleep",
        "RetainIp": "TRUE",
    }
    assert code(await described(wire, params=flat)) == (200, "")
    first, second = wire.cloud.groups.values()
    assert first.containers[0].command == second.containers[0].command == ["sleep", "9"]
    assert first.request["RetainIp"] is second.request["RetainIp"] is True
    assert first.request["SecurityGroupId"] == second.request["SecurityGroupId"]


async def test_a_signature_in_the_query_string_is_verified(wire):
    signer = Signer(wire)
    scope = f"{signer.at:%Y%m%d}/{REGION}/kci/aws4_request"
    query = urlencode(
        {
            **DESCRIBE,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{signer.key.access_key_id}/{scope}",
            "X-Amz-Date": f"{signer.at:%Y%m%dT%H%M%SZ}",
            "X-Amz-SignedHeaders": "host",
        }
    )
    _, signature = signer.signature("GET", query, ["host"], {})
    signed = f"{query}&X-Amz-Signature={signature}"
    assert code(await send(wire, "GET", signed, {})) == (200, "")
    changed = signed.replace("DescribeContainerGroup", "DescribeRegions")
    assert code(await send(wire, "GET", changed, {})) == (403, "SignatureDoesNotMatch")
    lacking = signed.replace("X-Amz-Date", "X-Date")
    assert code(await send(wire, "GET", lacking, {})) == (400, "IncompleteSignature")


@pytest.mark.parametrize("header", ["X-Ksc-Security-Token", "X-Amz-Security-Token"])
@pytest.mark.parametrize("signed", [True, False])
async def test_a_temporary_key_needs_its_token_signed_or_not(wire, header, signed):
    key = wire.cloud.issue_temporary(900)
    signer = Signer(wire, key=key)
    token, query = {header: key.token}, urlencode(DESCRIBE)
    names = ["host", "x-amz-date", *([header.lower()] if signed else [])]
    headers = signer.headers("GET", query, sorted(names), token if signed else {})
    assert code(await send(wire, "GET", query, {**headers, **token})) == (200, "")


async def test_a_token_that_is_absent_wrong_or_expired_is_refused(wire):
    key = wire.cloud.issue_temporary(120)
    signer = Signer(wire, key=key)
    refused = (403, "InvalidClientTokenId")
    assert code(await described(wire, signer)) == refused
    assert code(await described(wire, signer, **{"X-Ksc-Security-Token": "x"})) == refused
    lasting = {"X-Ksc-Security-Token": key.token}
    assert code(await described(wire, **lasting)) == refused
    wire.clock.shift += 121
    expired = await described(wire, signer, **lasting)
    assert code(expired) == (400, "SecurityTokenExpired")


@pytest.mark.parametrize("minutes", [-16, 16])
async def test_a_clock_that_is_more_than_15_minutes_off_is_refused(wire, minutes):
    signer = Signer(wire, at=datetime.now(UTC) + timedelta(minutes=minutes))
    status, answer = await described(wire, signer)
    assert (status, answer["Error"]["Code"]) == (403, "SignatureDoesNotMatch")
    assert answer["Error"]["Message"].startswith("Signature expired")


async def test_scopes_of_another_region_or_service_are_refused(wire):
    def refused(answer, says):
        status, body = answer
        assert (status, body["Error"]["Code"]) == (403, "SignatureDoesNotMatch")
        assert says in body["Error"]["Message"]

    refused(await described(wire, Signer(wire, region="cn-shanghai-2")), "valid region")
    refused(await described(wire, Signer(wire, service="kec")), "correct service")
    named = {**DESCRIBE, "Service": "iam"}
    refused(await described(wire, params=named), "correct service: iam")
    signer = Signer(wire)
    signer.host = "vpc.api.ksyun.com"
    refused(await described(wire, signer, Host=signer.host), "correct service: vpc")
    for host in ("kci.api.ksyun.com", "internal.api.ksyun.com", "kci.cn-beijing-6.api.ksyun.com"):
        signer.host = host
        assert code(await described(wire, signer, Host=host)) == (200, "")


async def test_unknown_actions_versions_and_keys_have_their_codes(wire):
    assert code(await send(wire, "GET", urlencode(DESCRIBE), {})) == (
        403,
        "MissingAuthenticationToken",
    )
    gone = {**DESCRIBE, "Action": "DescribeContainerGroups"}
    assert code(await described(wire, params=gone)) == (404, "NoSuchEntity")
    old = {**DESCRIBE, "Version": "2016-03-04"}
    assert code(await described(wire, params=old)) == (404, "NoSuchEntity")
    assert code(await described(wire, params={"Version": "2020-07-02"})) == (
        400,
        "MissingParameter",
    )
    unable = Signer(wire, key=wire.key("no permission"))
    status, answer = await described(wire, unable)
    assert (status, answer["Error"]["Code"]) == (403, "AccessDenied")
    assert "kci:DescribeContainerGroup" in answer["Error"]["Message"]
    wire.key().disabled = True
    assert code(await described(wire)) == (403, "InvalidClientTokenId")


async def test_answers_are_xml_unless_json_is_asked_for(wire):
    query = urlencode({**DESCRIBE, "Action": "DescribeRegions"})
    headers = Signer(wire).headers("GET", query, ["host", "x-amz-date"], {})
    async with aiohttp.ClientSession() as session:
        url = aiohttp.client.URL(f"{wire.gateway.url}/?{query}", encoded=True)
        async with session.get(url, headers=headers) as answer:
            root = ElementTree.fromstring(await answer.text())
            assert root.tag == "DescribeRegionsResponse"
            assert root.findtext("RequestId") == answer.headers["X-KSC-Request-Id"]
            assert root.findtext("Regions/item/Region") == REGION
        async with session.get(wire.gateway.url) as answer:
            root = ElementTree.fromstring(await answer.text())
            assert root.findtext("Error/Code") == "MissingAuthenticationToken"


async def test_success_has_no_error_key_and_a_dry_run_changes_nothing(wire):
    _, answer = await described(wire)
    assert "Error" not in answer
    network = wire.cloud.network
    wanted = {
        **DESCRIBE,
        "Action": "CreateContainerGroup",
        "ContainerGroupName": "dry",
        "SubnetId": next(iter(network.subnets)),
        "SecurityGroupId.0": network.default_security_group.id,
        "Container.0.Name": "main",
        "Container.0.Image": "nginx",
        "DryRun": "true",
    }
    assert code(await described(wire, params=wanted)) == (412, "DryRunOperation")
    assert not wire.cloud.groups
