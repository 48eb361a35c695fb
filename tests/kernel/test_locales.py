"""Languages and their conventions: which is chosen, how numbers and times are written, what is escaped."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask, render_template_string

from app.kernel import locales


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    locales.use("en_GB")


@pytest.mark.parametrize(
    ("preferred", "accepted", "chosen"),
    [
        ("auto", [], "en_GB"),
        ("auto", ["fr", "de-AT", "en"], "de_AT"),
        ("auto", ["en-US", "de"], "en_US"),
        ("de", ["en-US"], "de_DE"),
        ("en", ["de-CH", "en-AU"], "en_AU"),
        ("auto", ["de-XX", "../../etc"], "de_DE"),
    ],
)
def test_the_language_is_the_preferred_one_and_the_place_the_browsers(
    preferred: str, accepted: list[str], chosen: str
) -> None:
    assert locales.choose(preferred, accepted) == chosen


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("en_GB", ["12,345.5", "42%", "3 Mar 2026, 14:05", "Tuesday, 3 March", "3 hours ago", "1,234 plays"]),
        ("en_US", ["12,345.5", "42%", "Mar 3, 2026, 2:05\u202fPM", "Tuesday, March 3", "3 hours ago", "1,234 plays"]),
        ("de_DE", ["12.345,5", "42\xa0%", "03.03.2026, 14:05", "Dienstag, 3. März", "vor 3 Stunden", None]),
    ],
)
def test_numbers_and_times_are_written_as_the_place_does(name: str, written: list[str | None]) -> None:
    locales.use(name)
    when = datetime(2026, 3, 3, 14, 5)
    said = [
        locales.number(12345.5),
        locales.percent(0.42),
        locales.moment(when),
        locales.weekday_and_day(when),
        locales.since(timedelta(hours=3)),
        locales.plural(1234, "play"),
    ]
    assert [mine for mine, wanted in zip(said, written, strict=True) if wanted] == [w for w in written if w]


def test_values_in_a_text_are_escaped_in_templates_and_numbers_written_by_locale() -> None:
    app = Flask(__name__)
    locales.install(app)
    with app.app_context():
        said = render_template_string(
            "{{ _('You love %(name)s.', name=name) }} {{ ngettext('%(num)s one', '%(num)s many', 4200) }}"
            "{% trans count=1 %}<b>{{ count }}</b>{% pluralize %}more{% endtrans %}",
            name="<script>",
        )
    assert said == "You love &lt;script&gt;. 4,200 many<b>1</b>"
