"""Where the ECI API and its neighbours answer.

Sources: ECI developer reference, "Endpoints" (public `eci.<region>.aliyuncs.com`, inside a VPC
`eci-vpc.<region>.aliyuncs.com`; the finance clouds drop the `-1` of their region id); package
`alibabacloud-sts20150401` 1.2.0 (`sts.<region>.aliyuncs.com`); VPC and ECS API references.
"""

from __future__ import annotations

from urllib.parse import urlsplit

_FINANCE = {
    "cn-shenzhen-finance-1": "cn-shenzhen-finance",
    "cn-shanghai-finance-1": "cn-shanghai-finance",
    "cn-hangzhou-finance-1": "cn-hangzhou-finance",
}


def endpoint(product: str, region: str, *, override: str = "", vpc: bool = False) -> str:
    """The base URL of `product` (eci, sts, vpc, ecs) in `region`, without a trailing slash.

    `override` is a full URL, or a host name (then https), and serves every product.
    """
    if override:
        url = override if "://" in override else f"https://{override}"
        return url.rstrip("/")
    network = "-vpc" if vpc else ""
    host = f"{product}{network}.{_FINANCE.get(region, region)}.aliyuncs.com"
    return f"https://{host}"


def host_of(url: str) -> str:
    """The Host header of a base URL: the name, and the port unless it is the scheme's own."""
    return urlsplit(url).netloc
