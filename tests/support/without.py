"""`python -m tests.support.without NAME,NAME MODULE ARGUMENT…`: run a module where some packages can't be imported."""

import runpy
import sys
from collections.abc import Sequence


class Refuse:
    """Answers for the packages that are not to be had."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"no {name} in this process", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse(sys.argv[1].split(",")))  # type: ignore[arg-type]
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
