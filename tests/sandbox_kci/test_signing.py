import hashlib

import pytest

from sandbox.clouds.kci import signing
from sandbox.clouds.kci.errors import ApiFault

NAMES = "content-type;host;x-amz-content-sha256;x-amz-date"
BODY = (
    b"ContainerGroupId=11111111-2222-3333-4444-555555555555&Service=kci"
    b"&Action=DeleteContainerGroup&Version=2020-07-02&SdkVersion=SDK_PYTHON_1.5.8.114"
    b"&Region=cn-beijing-6&Accesskey=AKTEST&Language=zh-CN"
)
POST_SIGNATURE = "ccbe518c6b1bf5e8814d51f2a97562a5fbe60acffc20e36a38de0f910a25f6c8"
QUERY = "Label.0=x&Label.0.Key=cluster-id&Name=a+b%2Bc&Action=DescribeRegions&Version=2020-07-02"
GET_SIGNATURE = "3b87b81c424f5c3d7d204f4d53277ec319a4bdf6da1c2a6d546a2845e7cd48fb"


def wire(method="POST", query="", body=BODY, signature=POST_SIGNATURE, names=NAMES, **headers):
    credential = "AKTEST/20261121/cn-beijing-6/kci/aws4_request"
    known = {
        "content-type": "application/x-www-form-urlencoded",
        "host": "kci.api.ksyun.com",
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": "20261121T000000Z",
        "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, "
        f"SignedHeaders={names}, Signature={signature}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return signing.Wire(method, "/", query, known, body)


def test_the_post_vector_is_accepted_and_only_with_its_secret():
    signed = signing.read(wire())
    assert hashlib.sha256(BODY).hexdigest() == (
        "a0121ef083f1f1d7dba1a39e565a54014ae6c47c989524033aa3a2b2ea248a9e"
    )
    assert hashlib.sha256(signed.canonical.encode()).hexdigest() == (
        "a154b27438b8d9750cd91ab7b4fc8f3e70144744f58596b907a22b7bbd50e504"
    )
    assert (signed.access_key_id, signed.region, signed.service) == (
        "AKTEST",
        "cn-beijing-6",
        "kci",
    )
    assert signed.matches("SKTEST")
    assert not signed.matches("sktest")


def test_the_get_vector_is_accepted_and_its_query_sorted_by_name_then_value():
    assert signing.canonical_query(QUERY) == (
        "Action=DescribeRegions&Label.0=x&Label.0.Key=cluster-id&Name=a%20b%2Bc&Version=2020-07-02"
    )
    signed = signing.read(wire("GET", QUERY, b"", GET_SIGNATURE))
    assert signed.matches("SKTEST")


@pytest.mark.parametrize(
    ("headers", "code", "says"),
    [
        ({"host": ""}, "MissingAuthenticationToken", "Host"),
        ({"authorization": ""}, "MissingAuthenticationToken", "Authentication Token"),
        ({"authorization": "AWS4-HMAC-SHA1 x"}, "IncompleteSignature", "algorithm"),
        ({"names": "x-amz-date"}, "SignatureDoesNotMatch", "Host"),
        ({"x_amz_date": "20261122T000000Z"}, "SignatureDoesNotMatch", "YYYYMMDD"),
        ({"x_amz_date": "yesterday"}, "IncompleteSignature", "yesterday"),
        ({"x_amz_content_sha256": "0" * 64}, "SignatureDoesNotMatch", "sha256"),
    ],
)
def test_each_defect_of_a_signature_has_its_own_code(headers, code, says):
    with pytest.raises(ApiFault) as refusal:
        signing.read(wire(**headers))
    assert refusal.value.code == code
    assert says in refusal.value.message


def test_a_body_or_a_header_that_differs_breaks_the_signature():
    changed = BODY.replace(b"1111", b"2222", 1)
    assert not signing.read(wire(body=changed)).matches("SKTEST")
    assert not signing.read(wire(content_type="text/plain")).matches("SKTEST")


def test_paths_are_normalised_and_encoded_once_more():
    assert signing.canonical_path("/a//b/../c%20d/") == "/a/c%2520d/"
    assert signing.canonical_path("/") == "/"
