"""`python -m tests.support.docs_links`: fail when a Markdown file links to a file or heading that is not there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*?)\s*#*$", re.MULTILINE)


def broken_links(root: Path) -> Iterator[str]:
    """Yield `file: link` for each relative link that leads nowhere."""
    for file in sorted(markdown_files(root)):
        text = CODE.sub("", file.read_text())
        for link in LINK.findall(text):
            if not ELSEWHERE.match(link) and not leads_somewhere(file, link):
                yield f"{file.relative_to(root)}: {link}"


def markdown_files(root: Path) -> list[Path]:
    """Return the files that belong to the project: those git would keep, or all outside of hidden folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [root / name for name in listed.stdout.split("\0") if name and (root / name).exists()]
    return [f for f in root.rglob("*.md") if not any(p.startswith(".") for p in f.relative_to(root).parts)]


def leads_somewhere(file: Path, link: str) -> bool:
    name, _, anchor = unquote(link).partition("#")
    target = (file.parent / name) if name else file
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def anchors(file: Path) -> set[str]:
    """Return the anchors of a file's headings as they are shown on the usual hosts."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(re.sub(r"^(```|~~~).*?^\1", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
    return set(found) | {f"{anchor}-{n}" for anchor, times in found.items() for n in range(1, times + 1)}


if __name__ == "__main__":
    broken = list(broken_links(ROOT))
    print(*broken, sep="\n", end="\n" if broken else "")  # noqa: T201
    sys.exit(bool(broken))
