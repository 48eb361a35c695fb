"""The small parts of pages: covers, charts, notes, words for times."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts.statistics import Bucket
from app.web import chart, cover, look


@given(st.uuids())
def test_a_cover_is_the_same_well_formed_picture_for_ever(key: UUID) -> None:
    picture = cover.svg(key)
    assert picture == cover.svg(key)
    ET.fromstring(picture)
    assert "<script" not in picture
    assert "style" not in picture


def test_covers_differ() -> None:
    assert len({cover.svg(uuid4()) for _ in range(200)}) == 200


@given(st.lists(st.integers(0, 10**7), max_size=400))
def test_bars_stay_within_the_drawing(plays: list[int]) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    drawn = chart.bar_chart(
        [Bucket(start + timedelta(n), start + timedelta(n + 1), p) for n, p in enumerate(plays)], UTC
    )
    assert drawn.total == sum(plays)
    assert all(b.x >= drawn.left and b.x + b.width <= drawn.right + 0.01 for b in drawn.bars)
    assert all(b.y >= 0 and b.y + b.height <= drawn.floor + 0.01 for b in drawn.bars)


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 2), (3, 4), (5, 6), (99, 100), (101, 200), (999, 1000), (1001, 2000)]
)
def test_the_axis_ends_at_a_round_number(value: int, ceiling: int) -> None:
    assert chart.nice_ceiling(value) == ceiling


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "just now"),
        (60, "1 minute ago"),
        (7300, "2 hours ago"),
        (86400 * 3, "3 days ago"),
        (86400 * 60, "2 May 2025"),
    ],
)
def test_times_are_said_in_the_coarsest_unit_that_says_enough(seconds: int, words: str) -> None:
    now = datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert look.ago(now - timedelta(seconds=seconds), now, UTC) == words
