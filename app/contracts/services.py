"""The six modules by name, for whoever calls them (pages, protocols, the command line, each other)."""

from typing import Protocol

from app.contracts.accounts import Accounts
from app.contracts.catalog import Catalog
from app.contracts.listens import Listens
from app.contracts.playlists import Playlists
from app.contracts.recommendations import Recommender
from app.contracts.training import Training


class Services(Protocol):
    """What a process can call; each is the module itself or a stub, as the topology says."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def listens(self) -> Listens: ...
    @property
    def recommendations(self) -> Recommender: ...
    @property
    def training(self) -> Training: ...
    @property
    def playlists(self) -> Playlists: ...
