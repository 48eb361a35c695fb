"""YouTube Music, from Google Takeout's watch-history.json, in the language of the account."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile

from app.contracts.listens import NewListen
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import Bad, Reading, name

# What Google writes around the title, before or behind it.
BEFORE = (
    *("Watched ", "Listened to ", "Vous avez regardé ", "A regardé ", "Has visto ", "Se miró ", "Visto ", "Viste "),
    *("Hai guardato ", "Você assistiu a ", "Você assistiu ", "Assistiu a ", "Visualizou ", "Bekeken: ", "Obejrzano: "),
    *(
        "Obejrzany film: ",
        "Tittade på ",
        "Har tittat på ",
        "Så ",
        "Du så ",
        "Har set ",
        "Просмотрено: ",
        "Вы посмотрели ",
    ),
    *(
        "Вы посмотрели видео ",
        "Переглянуто ",
        "İzlendi: ",
        "Menonton ",
        "Đã xem ",
        "Zhlédnuto: ",
        "Megnézve: ",
        "已观看 ",
    ),
    *("观看了 ", "已觀看 ", "觀看了 ", "Katsottu: ", "Katsoit videon ", "S'ha visualitzat ", "Ați vizionat ", "ดู "),
)
BEHIND = (
    " angesehen",
    " gesehen",
    " bekeken",
    " を視聴しました",
    "を視聴しました",
    "을(를) 시청함",
    " 시청함",
    " izlendi",
    " adlı videoyu izlediniz",
)
LEARNED_FROM = 200
ENOUGH = 8  # different titles, before what they have in common is taken for a verb

_TOPIC = re.compile(r" [-–—] (Topic|Thema|Thème|Sujet|Tema|Tópico|Argomento|Temat|Тема|トピック|주제|主题|主題|Konu)$")
_VIDEO = re.compile(r"^https://(?:music|www|m)\.youtube\.com/watch\?v=([\w-]{1,20})")


def part(path: str, head: str) -> str:
    """Return which part of a takeout this file is."""
    if '"header"' not in head or '"time"' not in head or '"title"' not in head:
        return ""
    if "search_query=" in head or "search-history" in path:
        return ""
    return "watched" if '"titleUrl"' in head or '"activityControls"' in head or '"subtitles"' in head else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    for member, _ in members:
        before, behind = _learned(reading, member)
        for count, record in reading.records(member, _looks_right):
            place = f"{member.name}:{count}"
            try:
                if isinstance(record, Broken):
                    raise Bad(str(record))
                yield Play(place, _listen(reading, record, before, behind))
            except Bad as bad:
                yield Skipped(place, str(bad))


def _looks_right(record: Record) -> bool:
    return "header" in record and "time" in record


def _listen(reading: Reading, record: Record, before: tuple[str, ...], behind: tuple[str, ...]) -> NewListen:
    title, url = record.get("title"), record.get("titleUrl")
    if record.get("header") != "YouTube Music":
        raise Bad("it was watched in YouTube, not in YouTube Music")
    channel = _channel(record.get("subtitles"))
    if not channel:
        raise Bad("it has been removed from YouTube: nothing tells whose it was")
    found = _VIDEO.match(url) if isinstance(url, str) else None
    return NewListen(
        listened_at=reading.iso(record.get("time")),
        artist=name(_TOPIC.sub("", name(channel, "artist")), "artist"),
        title=name(_without_verb(name(title, "recording"), before, behind), "recording"),
        extra={"origin_url": f"https://music.youtube.com/watch?v={found[1]}"} if found else None,
    )


def _channel(subtitles: object) -> object:
    first = subtitles[0] if isinstance(subtitles, list) and subtitles else None
    return first.get("name") if isinstance(first, dict) else None


def _without_verb(title: str, before: tuple[str, ...], behind: tuple[str, ...]) -> str:
    for verb in before:
        if title.startswith(verb) and len(title) > len(verb):
            return title[len(verb) :]
    for verb in behind:
        if title.endswith(verb) and len(title) > len(verb):
            return title[: -len(verb)].strip('「」『』„“"')
    return title


def _learned(reading: Reading, member: Member) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what stands before and behind titles: the known verbs, or in another language what all have in common."""
    titles: Counter[str] = Counter()
    glance = Reading(reading.zone, reading.now)
    for count, record in glance.records(member, _looks_right):
        if not isinstance(record, Broken) and record.get("header") == "YouTube Music" and record.get("subtitles"):
            titles[str(record.get("title"))] += 1
        if count >= LEARNED_FROM:
            break
    unknown = [title for title in titles if _without_verb(title, BEFORE, BEHIND) == title]
    if len(unknown) < max(ENOUGH, len(titles) * 0.9):
        return BEFORE, BEHIND
    before, behind = _common(unknown), _common([title[::-1] for title in unknown])[::-1]
    before, behind = before[: before.rfind(" ") + 1], behind[behind.find(" ") :] if " " in behind else ""
    reading.note(f"Titles were taken to be what stands between {before!r} and {behind!r}.")
    return (before,) if before else (), (behind,) if behind else ()


def _common(texts: list[str]) -> str:
    """Return what all texts begin with."""
    pairs = zip(min(texts), max(texts), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
