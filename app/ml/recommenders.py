"""The recommenders by name, the default first."""

from collections.abc import Callable

from app.ml.base import Recommender
from app.ml.blend import Blend
from app.ml.item_item import ItemItem
from app.ml.popularity import Popularity

RECOMMENDERS: dict[str, Callable[[int], Recommender]] = {
    "blend": lambda seed: Blend(seed=seed),
    "item-item": lambda seed: ItemItem(seed=seed),
    "popularity": lambda _seed: Popularity(),
}
