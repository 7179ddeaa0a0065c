import uuid
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from alibabacloud_eci20180808 import models as eci
from darabonba.exceptions import DaraException

from sandbox.clouds.eci import signing
from sandbox.clouds.eci.errors import ApiFault

from .conftest import REGION, Wire

QUERY = {"RegionId": "cn-hangzhou", "ContainerGroupIds": '["eci-1"]', "Tag.1.Key": "a b*"}
HEADERS = {
    "host": "eci.cn-hangzhou.aliyuncs.com",
    "x-acs-action": "DescribeContainerGroups",
    "x-acs-content-sha256": signing.EMPTY_BODY,
    "x-acs-date": "2026-01-02T03:04:05Z",
    "x-acs-signature-nonce": "0123456789abcdef",
    "x-acs-version": "2018-08-08",
}
V3_HASH = "0eaf8d80b90fe025810a9e6fa158cd588eadc013df962968429de9ed8a126672"
V3_SIGNATURE = "0af3c26d4114e3fd6700f0e51715f9934e122a4e326d04e0db77eba6b273194a"
V1_SIGNATURE = "P7PHkOqMDQTQAOqz9hTpJXHb4/k="


def authorization(signature: str, headers: dict[str, str] = HEADERS, key: str = "testid") -> str:
    names = ";".join(sorted(headers))
    return f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"


def test_the_v3_test_vector_is_accepted_and_only_with_its_secret():
    wire = signing.Wire("POST", "/", QUERY, HEADERS)
    signed = signing.read_v3(wire, authorization(V3_SIGNATURE))
    assert signed.string_to_sign == f"ACS3-HMAC-SHA256\n{V3_HASH}"
    assert signed.matches("testsecret")
    assert not signed.matches("testsecreT")


def test_the_v1_test_vector_is_accepted_and_only_with_its_secret():
    params = {
        **QUERY,
        "Action": "DescribeContainerGroups",
        "Version": "2018-08-08",
        "Format": "json",
        "AccessKeyId": "testid",
        "Timestamp": "2026-01-02T03:04:05Z",
        "SignatureNonce": "0123456789abcdef",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "Signature": V1_SIGNATURE,
    }
    signed = signing.read_v1("POST", params)
    assert signed.matches("testsecret")
    assert not signed.matches("other")


@pytest.mark.parametrize(
    ("changed", "value"),
    [("x-acs-date", "2026-01-02T03:04:06Z"), ("x-acs-action", "DeleteContainerGroup")],
)
def test_any_change_of_a_signed_header_breaks_the_signature(changed, value):
    wire = signing.Wire("POST", "/", QUERY, {**HEADERS, changed: value})
    assert not signing.read_v3(wire, authorization(V3_SIGNATURE)).matches("testsecret")


def test_a_body_that_differs_from_its_hash_is_refused():
    wire = signing.Wire("POST", "/", QUERY, HEADERS, b"changed")
    with pytest.raises(ApiFault) as refusal:
        signing.read_v3(wire, authorization(V3_SIGNATURE))
    assert refusal.value.code == "SignatureDoesNotMatch"


def test_a_nonce_is_remembered_longer_than_its_timestamp_is_valid():
    nonces = signing.Nonces()
    nonces.use("n", 1000.0)
    with pytest.raises(ApiFault) as refusal:
        nonces.use("n", 1000.0 + 2 * signing.MAX_SKEW_SECONDS + 1)
    assert refusal.value.code == "SignatureNonceUsed"


def request_for(wire: Wire, *, at: datetime, nonce: str) -> tuple[str, dict[str, str]]:
    key = wire.key()
    headers = {
        "host": wire.gateway.url.removeprefix("http://"),
        "x-acs-action": "ListUsage",
        "x-acs-content-sha256": signing.EMPTY_BODY,
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": "2018-08-08",
    }
    unsigned = signing.Wire("POST", "/", {"RegionId": REGION}, headers)
    claim = authorization("0", headers, key.access_key_id)
    text = signing.read_v3(unsigned, claim).string_to_sign
    signature = signing.sign_v3(key.access_key_secret, text)
    headers["Authorization"] = authorization(signature, headers, key.access_key_id)
    return f"{wire.gateway.url}/?RegionId={REGION}", headers


async def code_of(url: str, headers: dict[str, str]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as answer:
        body = await answer.json()
        return answer.status, body.get("Code", "")


async def test_a_replayed_request_is_refused(wire):
    url, headers = request_for(wire, at=datetime.now(UTC), nonce=uuid.uuid4().hex)
    assert await code_of(url, headers) == (200, "")
    assert await code_of(url, headers) == (400, "SignatureNonceUsed")


@pytest.mark.parametrize("minutes", [-16, 16])
async def test_a_clock_that_is_more_than_15_minutes_off_is_refused(wire, minutes):
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    url, headers = request_for(wire, at=at, nonce=uuid.uuid4().hex)
    assert await code_of(url, headers) == (400, "InvalidTimeStamp.Expired")


async def test_a_call_without_signature_is_refused_and_unknown_actions_are_not_found(wire):
    assert await code_of(f"{wire.gateway.url}/?Action=ListUsage", {}) == (
        400,
        "IncompleteSignature",
    )
    url, headers = request_for(wire, at=datetime.now(UTC), nonce=uuid.uuid4().hex)
    headers["x-acs-action"] = "DescribeNothing"
    assert await code_of(url, headers) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("algorithm", [None, "v2"])
async def test_the_official_sdk_signs_both_ways_and_a_wrong_secret_is_refused(wire, algorithm):
    request = eci.ListUsageRequest(region_id=REGION)
    answer = await wire.client(algorithm=algorithm).list_usage_async(request)
    assert answer.body.attributes["MaxCpu"] == 1000
    config = wire.config(algorithm=algorithm)
    config.access_key_secret = "wrong"
    client = type(wire.client())(config)
    with pytest.raises(DaraException) as refusal:
        await client.list_usage_async(request)
    assert refusal.value.code == "SignatureDoesNotMatch"


async def test_unknown_and_disabled_keys_are_refused(wire):
    request = eci.ListUsageRequest(region_id=REGION)
    config = wire.config()
    config.access_key_id = "LTAI5tUnknown"
    with pytest.raises(DaraException) as unknown:
        await type(wire.client())(config).list_usage_async(request)
    assert (unknown.value.code, unknown.value.status_code) == ("InvalidAccessKeyId.NotFound", 404)
    wire.key().disabled = True
    with pytest.raises(DaraException) as disabled:
        await wire.client().list_usage_async(request)
    assert disabled.value.code == "InvalidAccessKeyId.Inactive"
