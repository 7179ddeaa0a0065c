"""Where the APIs of Alibaba Cloud answer.

Sources: ECI developer reference, "Endpoints" (public `eci.<region>.aliyuncs.com`, inside a VPC
`eci-vpc.<region>.aliyuncs.com`; the finance clouds drop the `-1` of their region id); packages
`alibabacloud-sts20150401` 1.2.0 (`sts.<region>.aliyuncs.com`), `alibabacloud-cs20151215` 7.2.3
(`cs.<region>.aliyuncs.com`), `alibabacloud-ram20150501` 1.3.0 (`ram.aliyuncs.com` for all regions)
and `alibabacloud-bssopenapi20171214` 5.1.2 (`business.aliyuncs.com` for Chinese regions,
Singapore's for the others); VPC and ECS API references.
"""

from __future__ import annotations

from urllib.parse import urlsplit

_FINANCE = {
    "cn-shenzhen-finance-1": "cn-shenzhen-finance",
    "cn-shanghai-finance-1": "cn-shanghai-finance",
    "cn-hangzhou-finance-1": "cn-hangzhou-finance",
}
_CENTRAL = {"ram": "https://ram.aliyuncs.com"}
_BILLING = "bssapi"
_ABROAD = "ap-southeast-1."


def endpoint(product: str, region: str, *, override: str = "", vpc: bool = False) -> str:
    """The base URL of `product` (eci, sts, vpc, ecs, cs, ram, bssapi) in `region`, no last slash.

    `override` is a full URL, or a host name (then https), and serves every product.
    """
    if override:
        url = override if "://" in override else f"https://{override}"
        return url.rstrip("/")
    if product == _BILLING:
        return f"https://business.{'' if region.startswith('cn-') else _ABROAD}aliyuncs.com"
    if product in _CENTRAL:
        return _CENTRAL[product]
    network = "-vpc" if vpc else ""
    host = f"{product}{network}.{_FINANCE.get(region, region)}.aliyuncs.com"
    return f"https://{host}"


def host_of(url: str) -> str:
    """The Host header of a base URL: the name, and the port unless it is the scheme's own."""
    return urlsplit(url).netloc
