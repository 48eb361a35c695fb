"""`python -m tests.support.migrations_in_step`: migrate a throwaway database and compare it with the models."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from app.host import secrets
from app.host.postgres import running_postgres

ROOT = Path(__file__).resolve().parents[2]
STEPS = (("db", "bootstrap"), ("db", "upgrade"), ("db", "check"))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="segue-") as name:
        folder = Path(name)
        secrets.ensure(folder, ["cli"])
        with running_postgres(folder) as admin_url:
            environment = {**os.environ, "DATABASE_URL": admin_url, "SEGUE_DATA_DIR": name, "BROKER_URL": "memory://"}
            for step in STEPS:
                done = subprocess.run([sys.executable, "manage.py", *step], cwd=ROOT, env=environment, check=False)
                if done.returncode:
                    return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
