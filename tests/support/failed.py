"""Prints the tests that failed in the last run, a line each: `python -m tests.support.failed`."""

import json
import sys
from pathlib import Path

CACHE = Path(".pytest_cache/v/cache/lastfailed")
MOST = 12  # more than these are no accident


def failed(cache: Path = CACHE) -> list[str]:
    """Return what pytest noted, without the group that a run in several processes adds to a name.

    Raises SystemExit where nothing was noted (then it was not a test that failed), or too many were.
    """
    noted = json.loads(cache.read_text()) if cache.exists() else {}
    if not 0 < len(noted) <= MOST:
        raise SystemExit(f"{len(noted)} tests are noted as failed: there is nothing to run once more")
    return sorted(name[: name.rindex("@")] if "@" in name else name for name in noted)


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}\n" for name in failed()))
