"""RAM and STS with the official clients; keys that work at ECI with the rights of their user."""

import json

import pytest
from alibabacloud_eci20180808 import models as eci
from alibabacloud_eci20180808.client import Client as EciClient
from alibabacloud_ram20150501 import models as ram
from alibabacloud_sts20150401 import models as sts
from darabonba.exceptions import DaraException

USER = "ack-one-user-0123456789"
POLICY = "ack-one-registered-cluster-policy-ack-virtual-node"


async def make_user(house):
    client = house.ram()
    await client.create_user_async(ram.CreateUserRequest(user_name=USER))
    made = await client.create_access_key_async(ram.CreateAccessKeyRequest(user_name=USER))
    key = made.body.access_key
    return client, (key.access_key_id, key.access_key_secret)


async def count(house, pair, token=""):
    client = EciClient(house.config(pair, "eci", token))
    request = eci.DescribeContainerGroupPriceRequest(region_id="cn-hangzhou", cpu=2, memory=4)
    return (await client.describe_container_group_price_async(request)).body.price_info


async def refusal(awaitable):
    with pytest.raises(DaraException) as caught:
        await awaitable
    return caught.value.code


async def test_a_new_key_may_do_exactly_what_its_users_policies_say(house):
    client, pair = await make_user(house)
    assert await refusal(count(house, pair)) == "Forbidden.RAM"
    document = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": ["eci:*"], "Resource": "*"}],
    }
    await client.create_policy_async(
        ram.CreatePolicyRequest(policy_name=POLICY, policy_document=json.dumps(document))
    )
    attach = ram.AttachPolicyToUserRequest(policy_type="Custom", policy_name=POLICY, user_name=USER)
    await client.attach_policy_to_user_async(attach)
    assert (await count(house, pair)).price.currency == "CNY"
    listed = await client.list_policies_for_user_async(
        ram.ListPoliciesForUserRequest(user_name=USER)
    )
    assert [p.policy_name for p in listed.body.policies.policy] == [POLICY]
    assert await refusal(client.attach_policy_to_user_async(attach)) == (
        "EntityAlreadyExists.User.Policy"
    )
    detach = ram.DetachPolicyFromUserRequest(
        policy_type="Custom", policy_name=POLICY, user_name=USER
    )
    await client.detach_policy_from_user_async(detach)
    assert await refusal(count(house, pair)) == "Forbidden.RAM"


async def test_system_policies_grant_what_they_are_named_after(house):
    client, pair = await make_user(house)
    await client.attach_policy_to_user_async(
        ram.AttachPolicyToUserRequest(
            policy_type="System", policy_name="AliyunECIFullAccess", user_name=USER
        )
    )
    assert (await count(house, pair)).price.trade_price > 0
    stranger = house.ram(pair)
    assert await refusal(stranger.list_users_async(ram.ListUsersRequest())) == "NoPermission"


async def test_a_key_is_put_out_of_use_and_removed(house):
    client, pair = await make_user(house)
    update = ram.UpdateAccessKeyRequest(
        user_name=USER, user_access_key_id=pair[0], status="Inactive"
    )
    await client.update_access_key_async(update)
    assert await refusal(count(house, pair)) == "InvalidAccessKeyId.Inactive"
    listed = await client.list_access_keys_async(ram.ListAccessKeysRequest(user_name=USER))
    assert [key.status for key in listed.body.access_keys.access_key] == ["Inactive"]
    assert await refusal(client.delete_user_async(ram.DeleteUserRequest(user_name=USER))) == (
        "DeleteConflict.User.AccessKey"
    )
    await client.delete_access_key_async(
        ram.DeleteAccessKeyRequest(user_name=USER, user_access_key_id=pair[0])
    )
    await client.delete_user_async(ram.DeleteUserRequest(user_name=USER))
    assert await refusal(count(house, pair)) == "InvalidAccessKeyId.NotFound"
    assert await refusal(client.get_user_async(ram.GetUserRequest(user_name=USER))) == (
        "EntityNotExist.User"
    )


async def test_a_role_is_assumed_with_a_token_that_must_be_shown(house):
    client = house.ram()
    await client.create_role_async(
        ram.CreateRoleRequest(role_name="spillway", assume_role_policy_document="{}")
    )
    await client.attach_policy_to_role_async(
        ram.AttachPolicyToRoleRequest(
            policy_type="System", policy_name="AliyunECIFullAccess", role_name="spillway"
        )
    )
    account = house.world.describe()["clouds"]["aliyun"]["account_id"]
    arn = f"acs:ram::{account}:role/spillway"
    request = sts.AssumeRoleRequest(role_arn=arn, role_session_name="test", duration_seconds=900)
    given = (await house.sts().assume_role_async(request)).body.credentials
    pair = (given.access_key_id, given.access_key_secret)
    assert (await count(house, pair, given.security_token)).price.trade_price > 0
    assert (await refusal(count(house, pair))).startswith("InvalidSecurityToken")


async def test_wrong_signatures_are_refused(house):
    key, _ = house.pair()
    client = house.ram((key, "wrong"))
    assert await refusal(client.list_users_async(ram.ListUsersRequest())) == (
        "SignatureDoesNotMatch"
    )
