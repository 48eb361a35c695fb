"""Where a sign-in may lead (line 11)."""

import pytest

from app.kernel.auth import safe_next


@pytest.mark.parametrize("target", ["/", "/history", "/artist/1?range=week#top", "/search?q=a%2Fb"])
def test_paths_of_this_site_are_followed(target: str) -> None:
    assert safe_next(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/a\\b",
    ],
)
def test_anything_that_could_lead_elsewhere_goes_home(target: str | None) -> None:
    assert safe_next(target) == "/"
