"""YouTube Music, from Google Takeout's watch-history.json, in the language of the account."""

import re
from collections.abc import Iterator
from itertools import takewhile

from app.contracts.listens import NewListen
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import Bad, Reading, name

# What Google writes around a title, before or behind it; the longer first, where one begins with another.
_VERB = re.compile(
    r"^(?:Watched|Listened to|Vous avez regardé|A regardé|Has visto|Se miró|Visto|Viste|Hai guardato|Você assistiu a"
    r"|Você assistiu|Assistiu a|Visualizou|Bekeken:|Obejrzano film:|Obejrzano:|Tittade på|Har tittat på|Har set"
    r"|Вы посмотрели видео|Вы посмотрели|Просмотрено:|Переглянуто|İzlendi:|Menonton|Đã xem|Zhlédnuto:|Megnézve:"
    r"|Katsottu:|Katsoit videon|S'ha visualitzat|Ați vizionat|已观看|观看了|已觀看|觀看了|ดู) (?=.)"
    r"|(?<=.)(?: adlı videoyu izlediniz| angesehen| gesehen| bekeken| ?を視聴しました|을\(를\) 시청함| izlendi)$"
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
        around = _around(reading, member)
        for count, record in reading.records(member, _looks_right):
            place = f"{member.name}:{count}"
            try:
                if isinstance(record, Broken):
                    raise Bad(str(record))
                yield Play(place, _listen(reading, record, around))
            except Bad as bad:
                yield Skipped(place, str(bad))


def _looks_right(record: Record) -> bool:
    return "header" in record and "time" in record


def _listen(reading: Reading, record: Record, around: re.Pattern[str]) -> NewListen:
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
        title=name(_bare(name(title, "recording"), around), "recording"),
        extra={"origin_url": f"https://music.youtube.com/watch?v={found[1]}"} if found else None,
    )


def _channel(subtitles: object) -> object:
    first = subtitles[0] if isinstance(subtitles, list) and subtitles else None
    return first.get("name") if isinstance(first, dict) else None


def _bare(title: str, around: re.Pattern[str]) -> str:
    bare = around.sub("", title)
    return (
        bare.strip("「」『』„“") if bare != title and title[0] in "「『„" else bare
    )  # quoted by Google, not by the artist


def _around(reading: Reading, member: Member) -> re.Pattern[str]:
    """Return what stands around titles: a known verb, or in another language what all have in common."""
    titles: set[str] = set()
    for count, record in reading.glance().records(member, _looks_right):
        if not isinstance(record, Broken) and record.get("header") == "YouTube Music" and record.get("subtitles"):
            titles.add(str(record.get("title")))
        if count >= LEARNED_FROM:
            break
    unknown = [title for title in titles if not _VERB.search(title)]
    if len(unknown) < max(ENOUGH, len(titles) * 0.9):
        return _VERB
    before, behind = _common(unknown), _common([title[::-1] for title in unknown])[::-1]
    before, behind = before[: before.rfind(" ") + 1], behind[behind.find(" ") :] if " " in behind else ""
    reading.note(f"Titles were taken to be what stands between {before!r} and {behind!r}.")
    return re.compile(f"^{re.escape(before)}(?=.)|(?<=.){re.escape(behind)}$")


def _common(texts: list[str]) -> str:
    """Return what all texts begin with."""
    pairs = zip(min(texts), max(texts), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
