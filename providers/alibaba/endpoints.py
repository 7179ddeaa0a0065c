"""Where the APIs of Alibaba Cloud answer.

Sources: ECI developer reference, "Endpoints" (public `eci.<region>.aliyuncs.com`, inside a VPC
`eci-vpc.<region>.aliyuncs.com`; the finance clouds drop the `-1` of their region id); packages
`alibabacloud-sts20150401` 1.2.0 (`sts.<region>.aliyuncs.com`), `alibabacloud-cs20151215` 7.2.3
(`cs.<region>.aliyuncs.com`), `alibabacloud-ram20150501` 1.3.0 (`ram.aliyuncs.com` for all regions)
and `alibabacloud-bssopenapi20171214` 5.1.2 (`business.aliyuncs.com` and Singapore's); VPC and ECS
API references. Bills are of the site on which the account was opened, whatever the region: the
other site answers `NotApplicable` (aliyun/terraform-provider-alicloud, its calls of BssOpenApi).
"""

from __future__ import annotations

from urllib.parse import urlsplit

_FINANCE = {
    "cn-shenzhen-finance-1": "cn-shenzhen-finance",
    "cn-shanghai-finance-1": "cn-shanghai-finance",
    "cn-hangzhou-finance-1": "cn-hangzhou-finance",
}
_CENTRAL = {"ram": "https://ram.aliyuncs.com"}
BILLING = "bssapi"
_SITES = ("https://business.aliyuncs.com", "https://business.ap-southeast-1.aliyuncs.com")
_VENDOR = ".aliyuncs.com"


def endpoint(product: str, region: str, *, override: str = "", vpc: bool = False) -> str:
    """The base URL of `product` (eci, sts, vpc, ecs, cs, ram, bssapi) in `region`, no last slash.

    `override` is a full URL, or a host name (then https). One of Alibaba Cloud's own names serves
    the product it is of; any other (a proxy, a simulator) serves every product.
    """
    url = override if "://" in override or not override else f"https://{override}"
    if url and _serves(url, product):
        return url.rstrip("/")
    if product == BILLING:
        return sites(region)[0]
    if product in _CENTRAL:
        return _CENTRAL[product]
    network = "-vpc" if vpc else ""
    host = f"{product}{network}.{_FINANCE.get(region, region)}.aliyuncs.com"
    return f"https://{host}"


def sites(region: str) -> tuple[str, ...]:
    """Where bills may be, the likelier place first."""
    return _SITES if region.startswith("cn-") else _SITES[::-1]


def _serves(url: str, product: str) -> bool:
    host = urlsplit(url).hostname or ""
    if not host.endswith(_VENDOR):
        return True
    name = host.split(".")[0].removesuffix("-vpc")
    return product == (BILLING if name == "business" else name)


def host_of(url: str) -> str:
    """The Host header of a base URL: the name, and the port unless it is the scheme's own."""
    return urlsplit(url).netloc
