"""Which data sets can be loaded, where they come from, and on what terms."""

from dataclasses import dataclass


class BadDataset(Exception):
    """The files can't be used; the message names the file, the line and what is wrong. Nothing was loaded."""


@dataclass(frozen=True)
class Dataset:
    """Segue redistributes none of these: `load` reads files that you have."""

    name: str
    title: str
    holds: str
    origin: str
    licence: str


DATASETS = {
    d.name: d
    for d in (
        Dataset(
            "demo",
            "Generated demo",
            "100,000 listens of 200 invented listeners over two years; every name is fictional",
            "generated from a seed",
            "Apache-2.0, like Segue",
        ),
        Dataset(
            "30music",
            "30Music listening events",
            "listens with timestamps; recordings and artists are numbers",
            "Turrin, Quadrana, Condorelli, Pagano, Cremonesi: 30Music listening and playlists dataset, RecSys 2015",
            "published for research",
        ),
        Dataset(
            "hetrec-lastfm2k",
            "HetRec 2011 Last.fm 2K",
            "play counts of artists with names, without timestamps",
            "Cantador, Brusilovsky, Kuflik: HetRec 2011, GroupLens; data of Last.fm",
            "non-commercial research",
        ),
        Dataset(
            "lastfm-lightgcn",
            "Last.fm as split for LightGCN",
            "play counts of artists with names: the training part",
            "He et al.: LightGCN, SIGIR 2020, a split of HetRec 2011 Last.fm 2K",
            "non-commercial research",
        ),
        Dataset(
            "spotify-hit-predictor",
            "Spotify Hit Predictor",
            "how 41,000 recordings of 1960 to 2019 sound, with names; nobody's plays",
            "Ansari: The Spotify Hit Predictor Dataset, Kaggle 2020; audio features of Spotify",
            "see its page",
        ),
    )
}
