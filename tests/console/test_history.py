"""The charts of the overview are arithmetic on the times of pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from console.history import BUCKETS, POINTS, Life, percentile, running, starts

END = datetime(2026, 1, 1, 12, tzinfo=UTC)


def life(created: float, ran: float, ended: float | None = None, provider: str = "eci") -> Life:
    """Minutes before `END`."""
    at = [(END - timedelta(minutes=m)).timestamp() for m in (created, ran)]
    end = None if ended is None else (END - timedelta(minutes=ended)).timestamp()
    return Life(provider, at[0], at[1], end)


def test_a_pod_counts_from_running_to_its_end() -> None:
    chart = running([life(31, 30, 10), life(200, 190), life(21, 20, provider="acs")], END, 1)
    assert len(chart["x"]) == POINTS
    assert chart["x"][-1] == END.timestamp()
    acs, eci = (series["values"] for series in chart["series"])
    half_minutes_ago = [POINTS - 1 - 2 * minutes for minutes in (40, 25, 15, 5)]
    assert [eci[at] for at in half_minutes_ago] == [1, 2, 2, 1]
    assert [acs[at] for at in half_minutes_ago] == [0, 0, 1, 1]


def test_starts_are_told_by_median_and_tail_of_their_bucket() -> None:
    pods = [life(10 + seconds / 60, 10) for seconds in range(1, 21)]
    chart = starts(pods, END, 1)
    half, tail = (series["values"] for series in chart["series"])
    at = BUCKETS - 1 - 4
    assert (half[at], tail[at]) == (10.0, 19.0)
    assert [value for value in half if value is not None] == [10.0]


def test_nothing_ran_means_no_points() -> None:
    assert running([], END, 1)["x"] == []
    assert starts([life(300, 299)], END, 1)["x"] == []


def test_a_percentile_is_the_nearest_rank() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([7], 0.95) == 7
