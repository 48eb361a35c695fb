"""The recommenders by name, the default first; each is made from a seed."""

from collections.abc import Callable

from app.ml.base import Recommender
from app.ml.blend import Blend
from app.ml.ease import EASE
from app.ml.graph_filter import GraphFilter
from app.ml.ials import IALS
from app.ml.item_item import ItemItem
from app.ml.item_knn import ItemKNN
from app.ml.popularity import Popularity

RECOMMENDERS: dict[str, Callable[[int], Recommender]] = {
    "blend": lambda seed: Blend(seed=seed),
    "item-item": lambda seed: ItemItem(seed=seed),
    "ials": lambda seed: IALS(factors=128, seed=seed),
    "ease": lambda _seed: EASE(),
    "graph-filter": lambda _seed: GraphFilter(),
    "item-knn": lambda _seed: ItemKNN(),
    "popularity": lambda _seed: Popularity(),
}
