"""The gate: each rule with what passes and what doesn't, and files of rules that are wrong."""

from pathlib import Path

import pytest

from app.contracts.training import Figure, GateResult
from app.modules.training import gate
from app.settings import SettingsError

RULES = gate.load(None)


def candidate(
    *,
    gained: float = 0.0,
    spread: float = 0.01,
    cohort_gain: float = 0.0,
    popular: float = 0.1,
    coverage: float = 0.5,
    latency_ms: float = 5.0,
    size: int = 1000,
    has_champion: bool = True,
) -> gate.Candidate:
    def figure(subject: str, metric: str, value: float, cohort: str = "all") -> Figure:
        return Figure(subject, cohort, metric, value, value - spread, value + spread, 50)

    figures = [figure("model", "ndcg", 0.3 + gained), figure("popularity", "ndcg", popular)]
    if has_champion:
        figures += [
            figure("champion", "ndcg", 0.3),
            figure("difference", "ndcg", gained),
            figure("champion", "ndcg", 0.3, "new"),
            figure("difference", "ndcg", cohort_gain, "new"),
            figure("champion", "coverage", 0.5),
            figure("model", "coverage", coverage),
        ]
    return gate.Candidate(figures, size, latency_ms, has_champion)


def refused(found: list[GateResult]) -> list[str]:
    return [result.rule for result in found if not result.is_passed]


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        ({}, []),
        ({"gained": 0.05}, []),
        ({"gained": -0.05}, ["better_than_champion"]),
        ({"gained": -0.004, "spread": 0.001}, ["better_than_champion"]),  # little, but surely worse
        ({"gained": -0.004, "spread": 0.02}, []),
        ({"cohort_gain": -0.1}, ["no_group_worse: new"]),
        ({"cohort_gain": -0.1, "spread": 0.2}, []),
        ({"popular": 0.4}, ["better_than_popularity"]),
        ({"coverage": 0.2}, ["coverage"]),
        ({"latency_ms": 80.0}, ["latency"]),
        ({"size": 2_000_000_000}, ["size"]),
        ({"has_champion": False, "popular": 0.4}, []),  # something personal is better than nothing
        ({"has_champion": False, "size": 2_000_000_000}, ["size"]),
    ],
)
def test_each_rule_says_why(facts: dict[str, float], rules: list[str]) -> None:
    found = gate.decide(RULES, candidate(**facts))  # type: ignore[arg-type]
    assert refused(found) == rules
    assert all(result.reason for result in found)


def test_a_margin_may_ask_for_more_than_as_good(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text('[better_than_champion]\nmetric = "ndcg"\nmargin = 0.05\n')
    rules = gate.load(file)
    assert refused(gate.decide(rules, candidate(gained=0.01))) == ["better_than_champion"]
    assert refused(gate.decide(rules, candidate(gained=0.02))) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[better", "gate.toml"),
        ("[beter_than_champion]\nmargin = 1", "beter_than_champion"),
        ("[coverage]\nmargin = 'much'", "takes the numbers margin"),
        ("[coverage]\nmargins = 1.0", "takes the numbers margin"),
        ("[better_than_champion]\nmargin = 0.0\nmetric = 'mood'", "recall or ndcg"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "gate.toml").write_text(content)
    with pytest.raises(SettingsError, match=said):
        gate.load(tmp_path / "gate.toml")
