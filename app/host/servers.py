"""The servers an installation needs: embedded ones, or those whose addresses are given."""

from dataclasses import dataclass
from pathlib import Path

from app.host import postgres, secrets, valkey
from app.host.postgres import PostgresPlan
from app.host.processes import PRIORITY_POSTGRES, PRIORITY_VALKEY, Program
from app.host.supervisor import ROOT, python_command
from app.host.valkey import ValkeyPlan


@dataclass(frozen=True)
class Servers:
    """Database and broker; a plan is None where the server is somebody else's."""

    data_dir: Path
    database: PostgresPlan | None
    broker: ValkeyPlan | None

    def programs(self) -> list[Program]:
        found = []
        if self.database:
            command = python_command("app.host.postgres", str(self.data_dir.absolute()))
            # SIGINT is PostgreSQL's fast shutdown: sessions end, nothing needs recovery afterwards.
            found.append(
                Program("postgres", command, {"PYTHONPATH": str(ROOT)}, stop_signal="INT", priority=PRIORITY_POSTGRES)
            )
        if self.broker:
            found.append(Program("valkey", self.broker.command, priority=PRIORITY_VALKEY))
        return found

    def addresses(self) -> dict[str, str]:
        """Return the settings under which the embedded servers are found."""
        found = {}
        if self.database:
            found["DATABASE_URL"] = self.database.url
        if self.broker:
            found["BROKER_URL"] = self.broker.broker_url
            found["SEGUE_RESULTS_URL"] = self.broker.results_url
            found["SEGUE_LIMITS_URL"] = self.broker.limits_url
        return found

    def wait_ready(self) -> None:
        if self.database:
            postgres.wait_ready(self.database)
        if self.broker:
            valkey.wait_ready(self.broker)

    def described(self) -> str:
        database = f"PostgreSQL {self.database.binaries.version} (embedded)" if self.database else "DATABASE_URL"
        broker = f"Valkey {self.broker.version} (embedded)" if self.broker else "BROKER_URL"
        return f"database: {database}, broker: {broker}"


def prepare(data_dir: Path, *, database_url: str, broker_url: str) -> Servers:
    """Prepare what is not given by an address. The secrets are there already."""
    database = None if database_url else postgres.prepare(data_dir, secrets.read(data_dir, "postgres_password"))
    return Servers(data_dir, database, None if broker_url else valkey.prepare(data_dir))
