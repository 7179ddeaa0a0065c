"""Every action through the unmodified official SDKs, on the wire."""

import asyncio
import json

import aiohttp
import pytest
from alibabacloud_eci20180808 import models as eci
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_util.models import RuntimeOptions
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as VpcClient
from darabonba.exceptions import DaraException

from .conftest import REGION

J, K = "vsw-bp1spillwaydemo0j001", "vsw-bp1spillwaydemo0k001"


def tag(key, value):
    return eci.CreateContainerGroupRequestTag(key=key, value=value)


async def groups(wire, **filters):
    request = eci.DescribeContainerGroupsRequest(region_id=REGION, **filters)
    return (await wire.client().describe_container_groups_async(request)).body


async def test_a_full_request_survives_the_wire_and_is_shown_again(wire):
    container = eci.CreateContainerGroupRequestContainer(
        name="main",
        image="registry/app:1",
        cpu=1.5,
        memory=3.0,
        command=["sh", "-c"],
        arg=["echo 'a b' && sleep 1000"],
        port=[eci.CreateContainerGroupRequestContainerPort(port=80, protocol="TCP")],
        environment_var=[
            eci.CreateContainerGroupRequestContainerEnvironmentVar(key="MODE", value="a=b&c d")
        ],
        volume_mount=[
            eci.CreateContainerGroupRequestContainerVolumeMount(
                name="files", mount_path="/etc/app", read_only=True
            )
        ],
        readiness_probe=eci.CreateContainerGroupRequestContainerReadinessProbe(
            http_get=eci.CreateContainerGroupRequestContainerReadinessProbeHttpGet(
                path="/healthz", port=80, scheme="HTTP"
            ),
            period_seconds=5,
        ),
        tty=False,
    )
    files = eci.CreateContainerGroupRequestVolumeConfigFileVolume(
        config_file_to_path=[
            eci.CreateContainerGroupRequestVolumeConfigFileVolumeConfigFileToPath(
                path="app.conf", content="eA=="
            )
        ]
    )
    request = eci.CreateContainerGroupRequest(
        region_id=REGION,
        container_group_name="full",
        container=[container],
        volume=[
            eci.CreateContainerGroupRequestVolume(
                name="files", type="ConfigFileVolume", config_file_volume=files
            )
        ],
        v_switch_id=f"{J},{K}",
        security_group_id=wire.cloud.network.default_security_group.id,
        restart_policy="OnFailure",
        tag=[tag("spillway/uid", "u-1")],
        client_token="token-1",
    )
    created = (await wire.client().create_container_group_async(request)).body
    assert created.container_group_id.startswith("eci-")
    shown = (await groups(wire)).container_groups[0]
    assert (shown.cpu, shown.memory, shown.status) == (2.0, 4.0, "Running")
    assert (shown.zone_id, shown.v_switch_id) == ("cn-hangzhou-j", J)
    main = shown.containers[0]
    assert (main.commands, main.args) == (["sh", "-c"], ["echo 'a b' && sleep 1000"])
    assert (main.environment_vars[0].key, main.environment_vars[0].value) == ("MODE", "a=b&c d")
    assert (main.ports[0].port, main.volume_mounts[0].read_only) == (80, True)
    assert main.readiness_probe.http_get.path == "/healthz"
    assert shown.volumes[0].config_file_volume_config_file_to_paths[0].path == "app.conf"
    assert (shown.tags[0].key, shown.tags[0].value) == ("spillway/uid", "u-1")
    assert {event.reason for event in shown.events} >= {"Pulled", "Started"}


async def test_the_synchronous_client_works_as_well(wire):
    await wire.create("sync")
    request = eci.DescribeContainerGroupsRequest(region_id=REGION)
    answer = await asyncio.to_thread(wire.client().describe_container_groups, request)
    assert answer.body.container_groups[0].container_group_name == "sync"


async def test_a_page_holds_at_most_the_limit_and_the_token_leads_through_all(wire):
    made = [await wire.create(f"g{i}", tag=[tag("batch", "x")]) for i in range(23)]
    seen, token, pages = [], None, 0
    while pages == 0 or token:
        page = await groups(wire, limit=10, next_token=token, with_event=False)
        seen += [group.container_group_id for group in page.container_groups]
        token, pages = page.next_token, pages + 1
        assert page.total_count == 23
    assert (pages, seen) == (3, made)


async def test_lists_are_filtered_by_tag_ids_name_zone_and_status(wire):
    first = await wire.create("one", tag=[tag("a", "1"), tag("b", "2")])
    second = await wire.create("two", tag=[tag("a", "1")], v_switch_id=K)
    wanted = eci.DescribeContainerGroupsRequestTag

    async def ids(**filters):
        page = await groups(wire, **filters)
        return [group.container_group_id for group in page.container_groups]

    assert await ids(tag=[wanted(key="a", value="1")]) == [first, second]
    assert await ids(tag=[wanted(key="a", value="1"), wanted(key="b", value="2")]) == [first]
    assert await ids(container_group_ids=json.dumps([second, "eci-unknown"])) == [second]
    assert await ids(container_group_name="one") == [first]
    assert await ids(zone_id="cn-hangzhou-k") == [second]
    assert await ids(status="Failed") == []
    with pytest.raises(DaraException) as refusal:
        await groups(wire, container_group_ids=json.dumps([f"eci-{i}" for i in range(21)]))
    assert refusal.value.code == "InvalidParameter.ValueExceeded"


async def test_status_has_the_irregular_names_and_reports_only_recent_changes(wire):
    group_id = await wire.create("old")
    wire.clock.shift += 60
    newer = await wire.create("new", command=["sh", "-c", "exit 3"], restart_policy="Never")
    request = eci.DescribeContainerGroupStatusRequest(region_id=REGION)
    every = (await wire.client().describe_container_group_status_async(request)).body
    assert [entry.container_group_id for entry in every.data] == [group_id, newer]
    old = every.data[0]
    assert (old.status, old.pod_status.phase, old.name) == ("Running", "Running", "old")
    assert len(old.uuid) == 36
    condition = next(c for c in old.pod_status.conditions if c.type == "Ready")
    assert (condition.status, condition.last_transition_time[-1]) == ("True", "Z")
    container = old.pod_status.container_statuses[0]
    assert container.ready
    assert container.state.running.started_atstarted_at
    ended = every.data[1].pod_status.container_statuses[0]
    assert ended.state.terminated.exit_code == 3
    request.since_second = 10
    recent = (await wire.client().describe_container_group_status_async(request)).body
    assert [entry.container_group_id for entry in recent.data] == [newer]


async def test_events_restart_update_and_delete(wire):
    group_id = await wire.create()
    client = wire.client()
    here = {"region_id": REGION, "container_group_id": group_id}
    await client.restart_container_group_async(eci.RestartContainerGroupRequest(**here))
    wire.clock.shift += 5
    changed = eci.UpdateContainerGroupRequest(**here, update_type="IncrementalUpdate")
    changed.container = [eci.UpdateContainerGroupRequestContainer(name="main", image="nginx:2")]
    await client.update_container_group_async(changed)
    wire.clock.shift += 5
    shown = (await groups(wire)).container_groups[0]
    assert (shown.status, shown.containers[0].image) == ("Running", "nginx:2")
    request = eci.DescribeContainerGroupEventsRequest(region_id=REGION)
    events = (await client.describe_container_group_events_async(request)).body.data[0].events
    assert {"Restarting", "Updating", "Started"} <= {event.reason for event in events}
    assert events[0].involved_object.kind == "Pod"
    await client.delete_container_group_async(eci.DeleteContainerGroupRequest(**here))
    assert (await groups(wire)).total_count == 0
    with pytest.raises(DaraException) as refusal:
        await client.delete_container_group_async(eci.DeleteContainerGroupRequest(**here))
    assert refusal.value.status_code == 404


async def test_the_date_of_a_delete_is_the_second_billing_ends(wire):
    group_id = await wire.create()
    request = eci.DeleteContainerGroupRequest(region_id=REGION, container_group_id=group_id)
    answer = await wire.client().delete_container_group_async(request)
    group = next(iter(wire.cloud.store.groups()))
    stamp = aiohttp.helpers.parse_http_date(answer.headers["date"])
    assert int(stamp.timestamp()) == int(group.segments[-1].until)


async def test_logs_can_be_cut_stamped_and_grow(wire):
    group_id = await wire.create(command=["sh", "-c", "while true; do echo tick; sleep 5; done"])
    request = eci.DescribeContainerLogRequest(
        region_id=REGION, container_group_id=group_id, container_name="main"
    )
    client = wire.client()

    async def content(**changes):
        for name, value in changes.items():
            setattr(request, name, value)
        return (await client.describe_container_log_async(request)).body.content

    assert await content() == "tick\n"
    wire.clock.shift += 52
    assert await content() == "tick\n" * 11
    assert await content(tail=2) == "tick\ntick\n"
    assert await content(tail=500, since_seconds=12) == "tick\n" * 2
    stamped = await content(tail=1, timestamps=True)
    assert stamped.endswith("Z tick\n")
    assert stamped[:2] == "20"
    assert await content(tail=500, since_seconds=0, timestamps=False, limit_bytes=7) == "k\ntick\n"


async def test_a_command_runs_at_once_or_in_a_session_that_opens_once_within_30_seconds(wire):
    group_id = await wire.create()
    request = eci.ExecContainerCommandRequest(
        region_id=REGION,
        container_group_id=group_id,
        container_name="main",
        command=json.dumps(["sh", "-c", "echo hello $HOSTNAME"]),
        sync=True,
    )
    client = wire.client()
    assert (await client.exec_container_command_async(request)).body.sync_response == "hello demo\n"
    request.sync, request.tty, request.command = False, True, '["/bin/sh"]'
    urls = (await client.exec_container_command_async(request)).body
    assert urls.http_url.startswith(wire.gateway.url)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(urls.web_socket_uri) as socket:
            await socket.send_bytes(b"\x00echo hi\rexit 4\r")
            frames = [message.data async for message in socket]
        assert b"\r\nhi\r\n" in b"".join(f[1:] for f in frames if f[0] == 1).replace(b"# ", b"\r\n")
        assert frames[-1][0] == 3
        assert json.loads(frames[-1][1:])["details"]["causes"][0]["message"] == "4"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(urls.web_socket_uri)
        late = (await client.exec_container_command_async(request)).body
        wire.clock.shift += 31
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(late.web_socket_uri)
    request.command = json.dumps(["x" * 257])
    with pytest.raises(DaraException) as refusal:
        await client.exec_container_command_async(request)
    assert refusal.value.code == "InvalidParameter.ValueExceeded"


async def test_metrics_of_one_and_of_many_groups(wire):
    group_id = await wire.create()
    wire.clock.shift += 600
    client = wire.client()
    one = eci.DescribeContainerGroupMetricRequest(
        region_id=REGION, container_group_id=group_id, period="60"
    )
    records = (await client.describe_container_group_metric_async(one)).body.records
    assert len(records) == 11
    assert records[-1].cpu.limit == 1000
    assert 0 < records[-1].cpu.usage_nano_cores < 1e9
    assert records[-1].memory.usage_bytes + records[-1].memory.available_bytes == 2 * 1024**3
    assert records[0].disk[0].read_io is not None
    many = eci.DescribeMultiContainerGroupMetricRequest(
        region_id=REGION, container_group_ids=json.dumps([group_id])
    )
    data = (await client.describe_multi_container_group_metric_async(many)).body.monitor_datas
    assert len(data[0].records) == 1
    assert data[0].records[0].disk[0].read_io is not None


async def test_prices_are_per_second_and_spot_prices_per_hour(wire):
    client = wire.client()

    async def price(**wanted):
        request = eci.DescribeContainerGroupPriceRequest(region_id=REGION, **wanted)
        return (await client.describe_container_group_price_async(request)).body.price_info

    plain = (await price(cpu=2.0, memory=4.0)).price
    assert (plain.currency, plain.trade_price) == ("CNY", 0.00012252)
    assert [d.resource for d in plain.detail_infos.detail_info] == ["cpu", "mem"]
    rounded = (await price(cpu=3.0, memory=5.0, ephemeral_storage=10)).price
    assert rounded.trade_price == pytest.approx(4 * 0.000049 + 6 * 0.00000613 + 10 * 0.00000059)
    economy = (await price(cpu=2.0, memory=4.0, compute_category="economy")).price
    assert economy.trade_price == pytest.approx(2 * 0.000027 + 4 * 0.00000613)
    spot = await price(instance_type="ecs.c5.large", spot_strategy="SpotAsPriceGo")
    assert spot.price.trade_price == pytest.approx(0.622 / 3600)
    offer = spot.spot_prices.spot_price[0]
    assert (offer.spot_price, offer.origin_price) == (0.056, 0.622)


async def test_regions_stock_usage_and_tags(wire):
    client = wire.client()
    regions = (await client.describe_regions_async(eci.DescribeRegionsRequest())).body.regions
    hangzhou = next(region for region in regions if region.region_id == REGION)
    assert {"cn-hangzhou-j", "cn-hangzhou-k"} <= set(hangzhou.zones)
    wire.cloud.knobs = wire.cloud.knobs.updated({"stock": {"cn-hangzhou-k": False}})
    request = eci.DescribeAvailableResourceRequest(
        region_id=REGION,
        destination_resource=eci.DescribeAvailableResourceRequestDestinationResource(
            category="InstanceType", value="ecs.gn6i-c4g1.xlarge"
        ),
    )
    body = (await client.describe_available_resource_async(request)).body
    stock = {
        zone.zone_id: zone.available_resources.available_resource[0]
        .supported_resources.supported_resource[0]
        .status_category
        for zone in body.available_zones.available_zone
    }
    assert (stock["cn-hangzhou-j"], stock["cn-hangzhou-k"]) == ("WithStock", "WithoutStock")
    group_id = await wire.create()
    here = {"region_id": REGION, "resource_type": "ContainerGroup", "resource_id": [group_id]}
    added = [eci.TagResourcesRequestTag(key="owner", value="x")]
    await client.tag_resources_async(eci.TagResourcesRequest(**here, tag=added))
    listed = await client.list_tag_resources_async(eci.ListTagResourcesRequest(**here))
    assert [(t.tag_key, t.tag_value) for t in listed.body.tag_resources] == [("owner", "x")]
    await client.untag_resources_async(eci.UntagResourcesRequest(**here, tag_key=["owner"]))
    assert (await groups(wire)).container_groups[0].tags == []
    usage = (await client.list_usage_async(eci.ListUsageRequest(region_id=REGION))).body.attributes
    assert (usage["MaxCpu"], usage["UsedCpu"]) == (1000, 1)


async def test_identity_network_and_security_groups_answer_on_the_same_address(wire):
    config = wire.config()
    identity = (await StsClient(config).get_caller_identity_async()).body
    assert identity.account_id == wire.cloud.account_id
    network = VpcClient(config)
    vpcs = await network.describe_vpcs_async(vpc.DescribeVpcsRequest(region_id=REGION))
    vpc_id = vpcs.body.vpcs.vpc[0].vpc_id
    await wire.create()
    request = vpc.DescribeVSwitchesRequest(region_id=REGION, vpc_id=vpc_id)
    vswitches = (await network.describe_vswitches_async(request)).body.v_switches.v_switch
    assert [(v.zone_id, v.available_ip_address_count) for v in vswitches] == [
        ("cn-hangzhou-j", 4092),
        ("cn-hangzhou-k", 4093),
    ]
    zones = await network.describe_zones_async(vpc.DescribeZonesRequest(region_id=REGION))
    assert "cn-hangzhou-j" in {zone.zone_id for zone in zones.body.zones.zone}
    request = ecs.DescribeSecurityGroupsRequest(region_id=REGION, vpc_id=vpc_id)
    found = (await EcsClient(config).describe_security_groups_async(request)).body
    assert found.security_groups.security_group[0].vpc_id == vpc_id


async def test_a_key_without_permission_sees_empty_lists_and_may_not_write(wire):
    await wire.create()
    key = wire.key("no permission")
    client = wire.client(key)
    listed = await client.describe_container_groups_async(
        eci.DescribeContainerGroupsRequest(region_id=REGION)
    )
    assert (listed.body.total_count, listed.body.container_groups) == (0, [])
    request = eci.DeleteContainerGroupRequest(region_id=REGION, container_group_id="eci-x")
    with pytest.raises(DaraException) as refusal:
        await client.delete_container_group_async(request)
    assert (refusal.value.code, refusal.value.status_code) == ("Forbidden.RAM", 403)
    assert refusal.value.access_denied_detail["AuthAction"] == "eci:DeleteContainerGroup"
    identity = (await StsClient(wire.config(key)).get_caller_identity_async()).body
    assert identity.account_id == wire.cloud.account_id


async def test_the_token_bucket_allows_a_burst_of_100_and_then_a_thousand_a_minute(wire):
    wire.cloud.knobs = wire.cloud.knobs.updated({"quota_cpu": 10_000})
    frozen = wire.clock() + 1
    wire.cloud.now = lambda: frozen
    created = await asyncio.gather(
        *(wire.create(f"g{i}") for i in range(105)), return_exceptions=True
    )
    refused = [answer for answer in created if isinstance(answer, DaraException)]
    assert {(r.code, r.status_code) for r in refused} == {("Throttling.User", 400)}
    assert len(refused) == 5
    wire.cloud.now = lambda: frozen + 1
    created = await asyncio.gather(
        *(wire.create(f"h{i}") for i in range(20)), return_exceptions=True
    )
    assert sum(isinstance(answer, str) for answer in created) == 16
    wire.cloud.knobs = wire.cloud.knobs.updated({"limits": False})
    assert (await wire.create("free")).startswith("eci-")


async def test_errors_carry_the_request_id_and_a_host(wire):
    request = eci.DescribeContainerLogRequest(
        region_id=REGION, container_group_id="eci-none", container_name="x"
    )
    with pytest.raises(DaraException) as refusal:
        await wire.client().describe_container_log_with_options_async(request, RuntimeOptions())
    data = refusal.value.data
    assert data["HostId"] == wire.gateway.url.removeprefix("http://")
    assert refusal.value.request_id == data["RequestId"]
