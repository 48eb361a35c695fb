"""Loading many listeners' listens, against copying the same rows into a bare table."""

import io
import time
from datetime import UTC, datetime
from typing import Any

import psycopg2
from sqlalchemy.engine import make_url

from app.bench.load import load_demo
from app.bench.report import against, report
from app.bench.system import Servers, running_servers, running_system, temporary_folder
from app.datasets.demo import generate
from app.datasets.load import DEMO_SEED


def run() -> dict[str, Any]:
    """Measure the demo's listens through the contract of `listens`, in a monolith."""
    with temporary_folder() as folder, running_servers(folder) as servers:
        content = generate(DEMO_SEED, datetime.now(UTC))
        count = sum(len(listens) for listens in content.listens.values())
        with running_system(servers, folder / "monolith", "monolith") as system:
            started = time.perf_counter()
            load_demo(system)
            loaded = count / (time.perf_counter() - started)
        copied = count / _copy(servers, content.listens)
    return report("import", [against("listens loaded, against COPY into a bare table", loaded, "1/s", copied)])


def _copy(servers: Servers, listens: Any) -> float:
    lines = io.StringIO(
        "".join(
            f"{name}\t{listen.listened_at.isoformat()}\t{listen.artist}\t{listen.title}\n"
            for name, found in listens.items()
            for listen in found
        )
    )
    url = make_url(servers.admin_url)
    connection = psycopg2.connect(
        host=str(url.query["host"]), user=url.username, password=url.password, dbname=url.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table bare (name text, at timestamptz, artist text, title text)")
        started = time.perf_counter()
        cursor.copy_expert("copy bare from stdin", lines)
        took = time.perf_counter() - started
    connection.close()
    return took
