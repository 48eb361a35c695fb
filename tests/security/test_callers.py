"""What a module's key and roles open: exactly what the list says, and what the module needs (line 24, 26)."""

import json
import re
from pathlib import Path

import pytest

from app.composition import MODULES, Callers, as_process, contract_of
from app.contracts.callers import FORMER_CALLS, FRONT_CALLS, MODULE_CALLS
from app.host.secrets import rotate_service_key
from app.kernel.context import SYSTEM, acting_as
from app.kernel.contract import Unauthenticated
from app.kernel.tokens import load_signer, load_verifier
from app.settings import MODULE_NAMES
from app.topology import COMING, moved, to_toml
from app.topology import load as load_topology
from tests.conftest import PublicApi
from tests.support import callers_in_docs
from tests.support.commands import manage
from tests.support.people import new_person
from tests.support.stack import ROOT, Stack

# another module is reached by `services`, or by what wiring hands in: `self.training()`
CALL = re.compile(r"(?:services\.|self\.(?=\w+\(\)))(" + "|".join(MODULE_NAMES) + r")(?:\(\))?\.(\w+)")


def source_of(module: str) -> str:
    return "\n".join(path.read_text() for path in (ROOT / "app" / "modules" / module).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_the_list_names_what_a_module_calls_and_no_more(module: str) -> None:
    source = source_of(module)
    called = {(other, name) for other, name in CALL.findall(source) if other != module}
    listed = {(other, name) for other, names in MODULE_CALLS[module].items() for name in names}
    assert called <= listed
    assert {name for _, name in listed if not re.search(rf"\b{name}\b", source)} == set()
    assert {(other, name) for other, name in listed if name not in contract_of(other).methods} == set()


def test_the_fronts_are_given_methods_that_there_are() -> None:
    assert {(m, n) for m, names in FRONT_CALLS.items() for n in names if n not in contract_of(m).methods} == set()


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    assert Path(callers_in_docs.PAGE).read_text() == callers_in_docs.page()


def test_a_process_that_gains_a_module_may_call_for_it_while_the_others_are_not_replaced(tmp_path: Path) -> None:
    before = load_topology("soa")
    callers = Callers(before, "listens", tmp_path)
    assert "folded_feed" not in callers.of("gateway")
    coming = tmp_path / COMING
    coming.parent.mkdir()
    coming.write_text(to_toml(moved(before, "recommendations", load_topology("monolith"))))
    assert "folded_feed" in callers.of("gateway")
    assert "folded_feed" in callers.of("learning")
    coming.unlink()
    assert "folded_feed" not in callers.of("gateway")


@pytest.mark.split
@pytest.mark.parametrize("module", MODULES)
def test_a_stolen_key_and_role_open_what_the_module_needs_and_nothing_else(split: Stack, module: str) -> None:
    result = manage(split, "security", "drill", module, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["tried"] > 150
    needed = (MODULE_CALLS[module], FORMER_CALLS.get(module, {}))
    listed = {f"{other}.{name}" for calls in needed for other, names in calls.items() for name in names}
    calls = {door for door in found["open"] if not door.startswith("schema")}
    assert calls == listed | ({"accounts.public_keys"} if module != "accounts" else set())


@pytest.mark.split
def test_a_key_is_exchanged_while_everybody_goes_on(split: Stack) -> None:
    api, person = PublicApi(split), new_person(split.services)
    old = load_signer(as_process(split.settings, "recommendations"))
    stolen = old.key
    pids = {name: process.pid for name, process in split.processes.items()}
    rotate_service_key(split.settings.data_dir, "recommendations")
    rotate_service_key(split.settings.data_dir, "gateway")
    assert old.token("listens")
    assert old.key is not stolen
    old._source, old.key = None, stolen  # what a thief would still sign with
    verifier = load_verifier(split.settings, ["recommendations"])
    with pytest.raises(Unauthenticated):
        verifier.caller(old.token("listens"), "listens")
    assert api.get("/api/v1/recommendations", token=person.token).status == 200
    with acting_as(SYSTEM):
        assert split.services.recommendations.profile_size(person.listener_id) == 0
    assert {name: process.pid for name, process in split.processes.items() if process.poll() is None} == pids
