"""Records of a JSON array come out whole, however the text is cut; a broken one costs only itself."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.modules.listens.formats import json_records
from app.modules.listens.formats.json_records import Broken, records
from tests.modules.listens.formats.samples import every_format, plays, read, reasons, spotify, youtube

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda of: st.lists(of) | st.dictionaries(st.text(), of),
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=9), JSON, max_size=3), max_size=6)
FEW = settings(max_examples=15, deadline=None)


def cut(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def found(text: str, size: int = 1000, inside: str | None = None) -> list[Any]:
    return [record for _, record in records(cut(text, size), lambda record: "n" in record, inside)]


@FEW
@given(OBJECTS, st.integers(1, 40), st.sampled_from([None, 1]))
def test_any_array_is_read_as_json_reads_it(objects: list[dict[str, Any]], size: int, indent: int | None) -> None:
    assert found(json.dumps(objects, indent=indent), size) == objects
    assert found("\n".join(map(json.dumps, objects)), size) == objects
    assert found(json.dumps({"a": 1, "rows": objects}, indent=indent), size, "rows") == objects


@FEW
@given(OBJECTS, st.integers(1, 40), st.sampled_from([1, 7, 64]))
def test_a_record_may_lie_across_windows(objects: list[dict[str, Any]], size: int, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "WINDOW", window)
        text = json.dumps(objects)
        whole = [record for _, record in records(cut(text, size), lambda record: True, longest=len(text) + 1)]
    assert whole == objects


@pytest.mark.parametrize(
    "broken",
    [
        '{"n": 1',
        '{"n": "open}',
        '{"n": 1, "deep": {"x": }}',
        "{n: 1}",
        '{"n": 01}',
        "null",
        "12",
        '"text"',
        "}",
        '{"n": [{"m": 1}',
    ],
)
def test_a_broken_record_is_told_and_the_next_ones_are_read(broken: str) -> None:
    text = f'[{{"n": 0}}, {broken}, {{"n": 2}}, {{"n": 3}}]'
    whole = found(text)
    assert [record for record in whole if isinstance(record, dict)] == [{"n": 0}, {"n": 2}, {"n": 3}]
    assert [record for record in whole if isinstance(record, Broken)] == ["it is not valid JSON"]


def test_an_array_that_does_not_end_is_told() -> None:
    missing = "the file ends before its list does: what followed is missing"
    assert found('[{"n": 0}, ') == [{"n": 0}, missing]
    assert found('{"rows": [{"n": 0}', inside="rows") == [{"n": 0}, missing]
    assert found('[{"n": 0}, {"n": ') == [{"n": 0}, "it is not valid JSON"]
    assert found('{"other": 1}', inside="rows") == ["there is no list of rows in the file"]


def test_numbers_that_python_refuses_and_depths_that_it_does_not_reach_are_broken_records() -> None:
    deep = "[" * 100_000
    whole = found(f'[{{"n": {"9" * 5000}}}, {{"n": {deep}}}, {{"n": 1}}]')
    assert [record for record in whole if isinstance(record, dict)] == [{"n": 1}]


def test_a_file_of_nothing_but_beginnings_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "MAX_ATTEMPTS", 50)
    assert found("[" + '{"n' * 10_000) == [
        "it is not valid JSON",
        "too much of the file is broken: the rest is not read",
    ]


@pytest.mark.parametrize(
    "hostile", ['{"a":' * 300_000, '{"a":[[[[' * 100_000, ('{"x":' * 900 + "[" + "1," * 450_000) * 4]
)
def test_a_file_made_to_be_decoded_in_vain_again_and_again_is_given_up_soon(hostile: str) -> None:
    began = time.process_time()
    assert found(f'[{{"n": 0}}, {hostile}')[-1] == "too much of the file is broken: the rest is not read"
    assert time.process_time() - began < 20  # it takes a second; without the bound, minutes


def test_a_record_longer_than_a_window_is_broken_and_the_next_is_read() -> None:
    long = json.dumps({"n": "x" * 3_000_000})
    assert found(f'[{long}, {{"n": 2}}]', 65_536) == ["it is not valid JSON", {"n": 2}]


@pytest.mark.parametrize(
    "kind", [kind for kind, content in every_format().items() if str(content).lstrip()[:1] in "[{"]
)
def test_a_hole_in_the_middle_costs_one_listen_of_each_format(tmp_path: Path, kind: str) -> None:
    content = every_format()[kind]
    if not isinstance(content, str) or kind == "listenbrainz lines":
        return
    items = read(tmp_path, content.replace("J\\u00f3ga 10", 'J"'))
    assert len(plays(items)) == 19
    assert len(reasons(items)) == 1


def test_a_nested_object_is_not_taken_for_the_next_record(tmp_path: Path) -> None:
    text = json.dumps([youtube(0), youtube(1), youtube(2)]).replace('"title": "Watched J\\u00f3ga 1"', '"title": oops')
    items = read(tmp_path, text)
    assert [place for place, _ in reasons(items)] == ["file:2"]
    assert [listen.title for listen in plays(items)] == ["Jóga 0", "Jóga 2"]


def test_a_large_array_of_one_line_is_read_in_windows(tmp_path: Path) -> None:
    items = read(tmp_path, json.dumps([spotify(number) for number in range(6000)]))
    assert len(plays(items)) == 6000
    assert items[-1].place == "file:6000"
