"""How often ECI may be called, per account and minute.

Source: ECI user guide, "Limits" (calls per minute of each action; higher by ticket), used at 97 %
for creates, with the documented burst of 100, and at 80 % for everything else. ECI documents no
limit over all actions; ours keeps one account from using more than 100 calls a second.
"""

from __future__ import annotations

from providers.buckets import Rate

_PER_MINUTE = {
    "DescribeContainerGroups": 2000,
    "DescribeContainerGroupStatus": 2000,
    "DescribeContainerGroupMetric": 2000,
    "DeleteContainerGroup": 1000,
    "DescribeContainerGroupPrice": 1000,
    "ExecContainerCommand": 500,
    "DescribeContainerLog": 500,
    "RestartContainerGroup": 500,
    "UpdateContainerGroup": 500,
    "DescribeMultiContainerGroupMetric": 500,
}
RATES = {action: Rate(limit / 60 * 0.8, 80) for action, limit in _PER_MINUTE.items()} | {
    "CreateContainerGroup": Rate(1000 / 60 * 0.97, 97)
}
WHOLE = Rate(100, 200)
