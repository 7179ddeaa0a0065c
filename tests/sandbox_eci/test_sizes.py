import pytest

from sandbox.clouds.eci import sizes
from sandbox.clouds.eci.errors import ApiFault

ROUNDED = [
    # asked vCPU, GiB, region, billed vCPU, GiB
    (0, 0, "cn-hangzhou", 2, 4),
    (0.1, 0.1, "cn-hangzhou", 0.25, 0.5),
    (0.25, 1.5, "cn-hangzhou", 0.5, 2),
    (1, 1, "cn-hangzhou", 1, 2),
    (1, 5, "cn-hangzhou", 1, 8),
    (2, 1, "cn-hangzhou", 2, 1),
    (2, 5, "cn-hangzhou", 2, 6),
    (2, 5, "us-west-1", 2, 8),
    (3, 6, "cn-hangzhou", 4, 6),
    (3, 6, "us-west-1", 4, 8),
    (4.25, 8.5, "cn-hangzhou", 6, 10),
    (4.25, 8.5, "us-west-1", 8, 16),
    (7, 13, "cn-hangzhou", 8, 14),
    (7, 13, "us-west-1", 8, 16),
    (4, 33, "cn-hangzhou", 6, 34),
    (10, 13, "cn-hangzhou", 12, 24),
    (33, 1, "cn-hangzhou", 52, 96),
    (64, 512, "cn-hangzhou", 64, 512),
]
SPOT = [(1, 1, 2, 2), (2, 5, 2, 8), (4, 6, 4, 8), (6, 8, 8, 8), (12, 100, 16, 128)]


@pytest.mark.parametrize(("cpu", "memory", "region", "vcpu", "gib"), ROUNDED)
def test_a_size_is_rounded_up_on_both_axes_to_a_listed_pair(cpu, memory, region, vcpu, gib):
    assert sizes.round_up(cpu, memory, region=region) == (vcpu, gib)


@pytest.mark.parametrize(("cpu", "memory", "vcpu", "gib"), SPOT)
def test_spot_sizes_have_their_own_table_without_the_extra_ones(cpu, memory, vcpu, gib):
    assert sizes.round_up(cpu, memory, region="cn-hangzhou", spot=True) == (vcpu, gib)


@pytest.mark.parametrize(
    ("cpu", "memory", "category"), [(65, 1, ""), (64, 513, ""), (8.5, 8, "economy")]
)
def test_a_size_that_nobody_sells_is_refused(cpu, memory, category):
    with pytest.raises(ApiFault) as refusal:
        sizes.round_up(cpu, memory, region="cn-hangzhou", categories=[category] if category else [])
    assert refusal.value.code == "InvalidParameter.CPU.Memory"


def test_every_listed_pair_is_its_own_size():
    for cpu, memories in sizes.FULL.items():
        for memory in memories:
            assert sizes.round_up(cpu, memory, region="cn-hangzhou") == (cpu, memory)
