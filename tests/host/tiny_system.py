"""`python -m tests.host.tiny_system DATA_DIR PORT`: `up` with a web process and a worker that do next to nothing."""

import sys
from pathlib import Path

from app.host.places import HostError
from app.host.processes import Program
from app.host.supervisor import ROOT, python_command
from app.host.up import Environment, Hooks, Options, say, up


def main(data_dir: Path, port: int) -> None:
    def programs(environment: Environment) -> list[Program]:
        web = python_command("http.server", str(port), "--bind", "127.0.0.1", "--directory", str(data_dir / "pages"))
        # A child that outlives its parent, as a worker's may.
        worker = ["/bin/sh", "-c", "sleep 3600 & exec sleep 3600"]
        ready_at = f"http://127.0.0.1:{port}"
        return [
            Program("web", web, environment, ROOT, autostart=False, ready_at=ready_at),
            Program("worker", worker, environment),
        ]

    (data_dir / "pages").mkdir(parents=True, exist_ok=True)
    (data_dir / "pages" / "readyz").write_text("ready")

    def nothing(_: Environment) -> None:
        pass

    hooks = Hooks(nothing, programs, nothing, nothing, lambda environment: say("ready " + environment["DATABASE_URL"]))
    try:
        up(Options(data_dir, ["gateway"], port), hooks)
    except HostError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
