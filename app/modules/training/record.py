"""What it takes to repeat a run: the code, what it stands on, and the machine."""

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

APP = Path(__file__).resolve().parents[2]
# What decides about a model's bytes.
CODE = ("ml/*.py", "modules/training/*.py")
DEPENDENCIES = ("numpy", "scipy", "scikit-learn", "threadpoolctl", "pyarrow", "msgspec")


@cache
def code_version() -> str:
    """Return a hash of the code that makes models."""
    found = hashlib.sha256()
    for pattern in CODE:
        for file in sorted(APP.glob(pattern)):
            found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def record(seed: int) -> dict[str, Any]:
    """Return what is noted beside a run's snapshot and parameters."""
    from app import __version__

    return {
        "version": __version__,
        "code": code_version(),
        "python": platform.python_version(),
        "dependencies": {name: metadata.version(name) for name in DEPENDENCIES},
        "machine": f"{platform.system()} {platform.machine()}",
        "linear_algebra": _blas(),
        "threads": 1,
        "seed": seed,
    }


@cache
def _blas() -> str:
    import numpy as np  # noqa: F401 (what is loaded is looked at)
    from threadpoolctl import threadpool_info

    found = sorted(
        f"{each.get('internal_api')} {each.get('version')} {each.get('architecture', '')}".strip()
        for each in threadpool_info()
        if each.get("user_api") == "blas"
    )
    return ", ".join(dict.fromkeys(found)) or "unknown"
