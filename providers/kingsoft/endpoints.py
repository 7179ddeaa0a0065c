"""Where Kingsoft Cloud's APIs answer, and which addresses may stand in for them.

Sources: package `kingsoftcloud-sdk-python` 1.5.8.114 (`<service>.api.ksyun.com`, https);
repositories KscSDK/ksc-sdk-go (`UseInternal`) and kingsoftcloud/vpc-route-controller: inside a
VPC one host, `http://internal.api.ksyun.com`, serves every product, which is told by the scope of
the signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from kube.dial import AddressPolicy
from kube.errors import AddressRefused

SUFFIX = ".api.ksyun.com"
INTERNAL = "http://internal.api.ksyun.com"


def endpoint(service: str, *, override: str = "") -> str:
    """The base URL of `service` (kci, vpc, iam), without a trailing slash.

    `override` is a full URL, or a host name (then https), and serves every product.
    """
    if override:
        url = override if "://" in override else f"https://{override}"
        return url.rstrip("/")
    return f"https://{service}{SUFFIX}"


def is_kingsoft(url: str) -> bool:
    """Whether requests signed with a customer's key may go there by name alone."""
    host = (urlsplit(url).hostname or "").lower()
    return host.endswith(SUFFIX)


@dataclass(frozen=True, slots=True)
class ListedOnly(AddressPolicy):
    """Only addresses that the operator listed: for hosts outside Kingsoft Cloud."""

    def check(self, address: str) -> None:
        AddressPolicy.check(self, address)
        found = ip_address(address.partition("%")[0])
        if not any(found in network for network in self.allow):
            raise AddressRefused(address, rule="not-listed")


def policy_for(override: str, policy: AddressPolicy) -> AddressPolicy:
    """The addresses that may be dialled for `override`: all, or only listed ones."""
    if not override or is_kingsoft(endpoint("kci", override=override)):
        return policy
    return ListedOnly(policy.allow, policy.deny)
