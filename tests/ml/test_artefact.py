"""An artefact is as its manifest says, or it is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import scipy.sparse as sp

from app.ml.artefact import FORMAT, MANIFEST, DamagedArtefact, open_artefact, read_manifest, size_bytes, write

ARRAYS = ("keys", "indptr", "indices", "data", "popularity")
ROOT = Path(__file__).resolve().parents[2]


def operator(items: int = 40, seed: int = 0) -> tuple[list[UUID], sp.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    B = sp.random(items, items, 0.2, "csr", dtype=np.float32, rng=rng)
    B.sort_indices()
    keys = [UUID(bytes=rng.bytes(16)) for _ in range(items)]
    return keys, B, rng.integers(1, 99, items).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / write(tmp_path, *operator(), {"kind": "artists"})


def test_what_was_written_is_what_is_opened(tmp_path: Path) -> None:
    keys, B, popularity = operator()
    facts = {"kind": "recordings", "metrics": {"ndcg": 0.25, "recall": None}, "parameters": {"ridge": 0.5}}
    sha256 = write(tmp_path, keys, B, popularity, facts)
    opened = open_artefact(tmp_path / sha256)
    assert opened.sha256 == sha256
    assert {name: opened.manifest[name] for name in facts} == facts
    assert [opened.key(item) for item in range(40)] == keys
    assert [opened.find(key) for key in keys] == list(range(40))
    assert opened.find(uuid4()) is None
    scorer = opened.scorer
    assert (sp.csr_matrix((scorer.data, scorer.indices, scorer.indptr), shape=B.shape) != B).nnz == 0
    assert scorer.popularity.tolist() == popularity.tolist()
    assert isinstance(scorer.data.base, np.memmap)
    assert not scorer.data.flags.writeable


def test_the_same_content_has_the_same_name_and_is_there_once(tmp_path: Path) -> None:
    first = write(tmp_path, *operator(), {"kind": "artists"})
    assert write(tmp_path, *operator(), {"kind": "artists"}) == first
    assert write(tmp_path, *operator(), {"kind": "recordings"}) != first
    assert write(tmp_path, *operator(seed=1), {"kind": "artists"}) != first
    assert len(list(tmp_path.iterdir())) == 3


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path, *operator(), {"metric": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_an_empty_model_can_be_written_and_opened(tmp_path: Path) -> None:
    empty = write(tmp_path, [], sp.csr_matrix((0, 0), dtype=np.float32), np.zeros(0, dtype=np.float32), {})
    assert open_artefact(tmp_path / empty).scorer.items == 0
    alone = write(tmp_path, [uuid4()], sp.csr_matrix((1, 1), dtype=np.float32), np.ones(1, dtype=np.float32), {})
    assert open_artefact(tmp_path / alone).scorer.recommend([0], [1.0], 5)[0].tolist() == []


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content + b"\0",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"\x80\x04N." + content[4:],
    ],
    ids=["a byte short", "half", "empty", "a byte more", "a bit changed", "a pickle"],
)
def test_an_array_that_was_changed_is_refused_by_name(
    folder: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    file = folder / f"{name}.npy"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DamagedArtefact, match=f"{name}.npy"):
        open_artefact(folder)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_missing_is_refused(folder: Path, name: str) -> None:
    (folder / f"{name}.npy").unlink()
    with pytest.raises(DamagedArtefact, match=f"{name}.npy"):
        open_artefact(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(b'"artists"', b'"Artists"'),
        lambda text: text + b" ",
        lambda text: text[:-1],
        lambda text: b"",
        lambda text: b"\xff\xfe",
        lambda text: b"[]",
    ],
    ids=["a fact changed", "longer", "cut short", "empty", "not text", "not an object"],
)
def test_a_manifest_that_was_changed_is_refused(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    file = folder / MANIFEST
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DamagedArtefact):
        open_artefact(folder)


@pytest.mark.parametrize("name", [MANIFEST, None])
def test_a_folder_without_manifest_or_none_at_all_is_refused(folder: Path, tmp_path: Path, name: str | None) -> None:
    if name:
        (folder / name).unlink()
    with pytest.raises(DamagedArtefact, match="no readable manifest"):
        read_manifest(folder if name else tmp_path / "nothing")


def test_a_folder_by_another_name_is_refused(folder: Path) -> None:
    renamed = folder.rename(folder.parent / ("0" * 64))
    with pytest.raises(DamagedArtefact, match="changed"):
        open_artefact(renamed)


def sealed(folder: Path, **changes: object) -> Path:
    """Seal a manifest with other facts anew, as who made it could."""
    import hashlib

    manifest = {**json.loads((folder / MANIFEST).read_bytes()), **changes}
    for file in folder.glob("*.npy"):
        content = file.read_bytes()
        manifest["files"][file.name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(text)
    return folder.rename(folder.parent / hashlib.sha256(text).hexdigest())


def test_another_format_is_refused_by_its_number(folder: Path) -> None:
    with pytest.raises(DamagedArtefact, match=f"format {FORMAT + 1}"):
        open_artefact(sealed(folder, format=FORMAT + 1))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("indices", np.full(319, 40, dtype=np.int32)),
        ("indices", np.full(319, -1, dtype=np.int32)),
        ("indptr", np.arange(41, dtype=np.int64)),
        ("indptr", np.zeros(41, dtype=np.int64)[::-1]),
        ("indptr", np.array([0, *[400] * 39, 319], dtype=np.int64)),
        ("keys", np.zeros((39, 16), dtype=np.uint8)),
        ("keys", np.zeros((40, 15), dtype=np.uint8)),
        ("popularity", np.zeros(41, dtype=np.float32)),
        ("data", np.zeros(319, dtype=np.float64)),
        ("data", np.zeros((319, 1), dtype=np.float32)),
        ("data", np.zeros(7, dtype=np.float32)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused_though_sealed(
    folder: Path, name: str, array: np.ndarray
) -> None:
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(DamagedArtefact):
        open_artefact(sealed(folder))


def test_an_array_of_objects_is_never_unpickled_though_sealed(folder: Path) -> None:
    np.save(folder / "data.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedArtefact, match=r"data\.npy"):
        open_artefact(sealed(folder))


def test_its_size_is_that_of_its_files(folder: Path) -> None:
    assert size_bytes(folder) == sum(len(file.read_bytes()) for file in folder.iterdir())
