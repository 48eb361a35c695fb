"""Models that are not what they say, signed as if they were: what gets past verification must be caught serving."""

import tempfile
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np
import scipy.sparse as sp

from app.composition import Container
from app.contracts.training import Model
from app.ml.artefact import open_artefact, write
from app.ml.signature import sign
from app.settings import Settings

Harm = Literal["none", "no links", "unknown items"]


def plant(services: Container, settings: Settings, like: Model, harm: Harm) -> Model:
    """Enter a candidate like another model, harmed where asked; signed and taken in properly."""
    opened = open_artefact(settings.data_dir / "models" / like.sha256)
    scorer = opened.scorer
    links = np.array(scorer.data, dtype=np.float32), scorer.indices, scorer.indptr
    B = sp.csr_matrix(links, shape=(scorer.items, scorer.items), copy=True)
    if harm == "no links":
        B.data[:] = 0
        B.eliminate_zeros()
    keys = [uuid4() if harm == "unknown items" else opened.key(item) for item in range(len(opened.keys))]
    facts = {"kind": like.kind, "identity": "v1", "engine": "item-item", "planted": str(uuid4()), "metrics": {}}
    with tempfile.TemporaryDirectory(prefix="segue-") as home:
        sha256 = write(Path(home), keys, B, np.array(scorer.popularity), facts)
        sign(Path(home) / sha256, settings.secret("model_signing_key"))
        for file in (Path(home) / sha256).iterdir():
            services.training.write_import(sha256, file.name, 0, file.read_bytes())
        model: Model = services.training.finish_import(sha256, "")
        return model
