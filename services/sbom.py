"""`python -m services.sbom REQUIREMENTS`: print what is installed as a bill of materials (CycloneDX 1.6, JSON)."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from app import __version__

PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


def components(requirements: str) -> list[dict[str, Any]]:
    """Return each pinned package with the hashes of the files that may be installed."""
    found: list[dict[str, Any]] = []
    for line in requirements.splitlines():
        if match := PINNED.match(line):
            name = re.sub(r"[-_.]+", "-", match["name"]).lower()
            purl = f"pkg:pypi/{name}@{match['version']}"
            named = {"name": name, "version": match["version"], "purl": purl}
            found.append({"type": "library", "bom-ref": purl, **named, "hashes": []})
        elif (match := HASH.search(line)) and found:
            found[-1]["hashes"].append({"alg": "SHA-256", "content": match["digest"]})
    return found


def document(requirements: str) -> dict[str, Any]:
    listed = components(requirements)
    segue = {"type": "application", "bom-ref": "segue", "name": "segue", "version": __version__}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": segue},
        "components": listed,
        "dependencies": [{"ref": "segue", "dependsOn": [each["bom-ref"] for each in listed]}],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(Path(sys.argv[1]).read_text()), indent=1) + "\n")
