"""Who may call what of whom, among the parts of Segue: what a stolen service key opens is in this list and no more.

Each module names the methods of the others that it calls; whichever process hosts it may make these calls and those
only. The fronts (pages, administration, protocols) may call what people may, and a few methods besides. The command
line may call everything. The network policy and docs/security-matrix.md are made from the same list.
"""

from collections.abc import Iterable

from app.kernel.contract import Access, Contract

Calls = dict[str, tuple[str, ...]]

# access tokens are verified everywhere with the public keys
EVERYBODY: Calls = {"accounts": ("public_keys",)}

MODULE_CALLS: dict[str, Calls] = {
    "accounts": {
        "catalog": ("export_listener", "has_traces"),
        "listens": ("export_listener", "has_traces", "history", "pseudonyms_of"),
        "playlists": ("export_listener", "has_traces"),
        "recommendations": ("export_listener", "has_traces"),
        "training": ("has_traces",),
    },
    "catalog": {"accounts": ("feed", "record_act"), "listens": ("folded_feed",)},
    "listens": {
        "accounts": ("feed", "record_act", "visible_of"),
        "catalog": ("feed", "restore_corrections"),
        "playlists": ("create_playlist", "delete_playlist", "list_playlists"),
    },
    "recommendations": {
        "accounts": ("feed",),
        "catalog": ("feed",),
        "listens": ("folded_feed",),
        "training": ("artefact_files", "feed", "read_artefact", "report_damage", "trusted_keys"),
    },
    "training": {
        "accounts": ("feed", "record_act"),
        "listens": ("pseudonyms_of", "training_feed"),
        "recommendations": ("model_health", "outcome_sums"),
    },
    "playlists": {
        "accounts": ("feed",),
        "catalog": ("get_identifiers", "resolve"),
        "listens": ("top",),
        "recommendations": ("known_and_loved", "recommend"),
    },
}

# What modules of the last release call besides: while a system is brought to this one, they run beside its modules.
FORMER_CALLS: dict[str, Calls] = {"catalog": {"listens": ("feed",)}, "recommendations": {"listens": ("feed",)}}

# of the methods that are for parts of Segue only, those that the fronts call
FRONT_CALLS: Calls = {"accounts": ("inactive_sessions", "note_requests", "visible_of")}


def allowed(contract: Contract, modules: Iterable[str], *, is_front: bool = False) -> frozenset[str]:
    """Return the methods of a contract that a process with these modules may call."""
    own = [calls[module] for calls in (MODULE_CALLS, FORMER_CALLS) for module in modules if module in calls]
    names = {name for calls in (EVERYBODY, *own) for name in calls.get(contract.name, ())}
    if is_front:
        names.update(FRONT_CALLS.get(contract.name, ()))
        names.update(m.name for m in contract.methods.values() if m.mark.access is not Access.SERVICE)
    return frozenset(names)
