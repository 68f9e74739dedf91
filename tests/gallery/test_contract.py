"""What every backend promises, tried on each: the plain model is the judge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.errors import GalleryError
from app.gallery.contract import Gallery, Hit
from app.gallery.faiss import FaissGallery
from app.gallery.tiers import Tiers
from tests.gallery.model import PlainGallery, random_units, unit

WIDTH = 16
HALF = 5e-4  # what rounding to float16 may move a score of unit vectors
DEVICE = "cuda" if torch.cuda.is_available() else "cpu:0"  # torch's CPU stands in for a GPU that is not there
_tables = itertools.count()


@pytest.fixture(
    params=[
        "faiss",
        "faiss-tiers",
        "faiss-device",
        pytest.param("pgvector", marks=pytest.mark.slow),
        pytest.param("pgvector-half", marks=pytest.mark.slow),
        pytest.param("pgvector-hnsw", marks=pytest.mark.slow),
        pytest.param("milvus", marks=pytest.mark.slow),
    ]
)
def gallery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    kind: str = request.param
    made: Gallery
    if kind.startswith("faiss"):
        tiers = None if kind == "faiss" else Tiers(exact_below=64, seal_at=64, largest=512)
        made = FaissGallery(WIDTH, tiers, device=DEVICE if kind == "faiss-device" else "cpu")
    elif kind.startswith("pgvector"):
        pytest.importorskip("psycopg")
        from app.gallery.pgvector import PgvectorGallery

        url = request.getfixturevalue("postgres_server")
        table = "t" + "".join("abcdefghij"[int(digit)] for digit in str(next(_tables)))
        made = PgvectorGallery(url, WIDTH, half=kind != "pgvector", hnsw=kind == "pgvector-hnsw", table=table)
    else:
        made = request.getfixturevalue("milvus")()
    yield made
    made.close()


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Gallery]:
    pytest.importorskip("pymilvus")
    pytest.importorskip("milvus_lite")
    from app.gallery.milvus import MilvusGallery

    folder: Path = tmp_path_factory.mktemp("milvus")
    return lambda: MilvusGallery(str(folder / f"gallery{next(_tables)}.db"), WIDTH)


def ids(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def assert_same(found: list[list[Hit]], wanted: list[list[Hit]]) -> None:
    """Equal scores to float error, and the order of the model wherever scores differ by more."""
    assert [len(hits) for hits in found] == [len(hits) for hits in wanted]
    for got, want in zip(found, wanted, strict=True):
        assert [hit.score for hit in got] == pytest.approx([hit.score for hit in want], abs=HALF)
        scores = {hit.subject: hit.score for hit in want}
        assert all(scores.get(hit.subject, want[-1].score) == pytest.approx(hit.score, abs=HALF) for hit in got)


def test_a_story(gallery: Gallery) -> None:
    """Adds, replacements, removals and a drop, in two collections; compared after each."""
    model = PlainGallery()
    rng = np.random.default_rng(1)
    probes = random_units(2, 6, WIDTH)
    for turn in range(12):
        collection = 1 + turn % 2
        templates = rng.choice(400, 60, replace=False)
        subjects, vectors = rng.integers(0, 40, 60), random_units(100 + turn, 60, WIDTH)
        for each in (gallery, model):
            each.add(collection, templates, subjects, vectors)
        gone = rng.choice(400, 25, replace=False)
        assert gallery.remove(collection, gone) == model.remove(collection, gone)
        assert [gallery.count(c) for c in (1, 2)] == [model.count(c) for c in (1, 2)]
        for c in (1, 2):
            held, owners = (each.ids(c) for each in (gallery, model))
            assert dict(zip(*(part.tolist() for part in held), strict=True)) == dict(
                zip(*(part.tolist() for part in owners), strict=True)
            )
            assert not model.count(c) or c in gallery.collections()
        for k in (1, 5, 100):
            assert_same(gallery.search(collection, probes, k), model.search(collection, probes, k))
    gallery.drop(1)
    assert gallery.count(1) == 0
    assert gallery.search(1, probes, 5) == [[] for _ in probes]
    assert_same(gallery.search(2, probes, 5), model.search(2, probes, 5))


def test_ties_fall_to_the_lower_subject_then_the_lower_template(gallery: Gallery) -> None:
    same = np.repeat(unit(np.ones((1, WIDTH))), 9, axis=0)
    gallery.add(1, np.arange(9, 0, -1), ids(3, 3, 3, 1, 1, 1, 2, 2, 2), same)
    found = [(hit.subject, hit.template) for hit in gallery.search(1, same[:1], 3)[0]]
    assert found == [(1, 4), (2, 1), (3, 7)]


def test_a_crowd_does_not_hide_the_next(gallery: Gallery) -> None:
    crowd = unit(np.eye(1, WIDTH) + 0.01 * random_units(1, 300, WIDTH))
    gallery.add(1, np.arange(300), np.full(300, 7), crowd)
    gallery.add(1, ids(5000), ids(8), unit(np.ones((1, WIDTH))))
    hits = gallery.search(1, np.eye(1, WIDTH, dtype=np.float32), 5)[0]
    assert [hit.subject for hit in hits] == [7, 8]


def test_nothing_there(gallery: Gallery) -> None:
    probe = random_units(1, 2, WIDTH)
    assert gallery.search(77, probe, 3) == [[], []]
    assert gallery.search(77, probe[:0], 3) == []
    assert gallery.remove(77, ids(1, 2)) == 0
    assert gallery.count(77) == 0
    gallery.drop(77)
    gallery.add(1, ids(), ids(), probe[:0])
    assert gallery.count(1) == 0
    gallery.add(1, ids(4), ids(5), probe[:1])
    assert gallery.remove(1, ids(4)) == 1
    assert gallery.search(1, probe, 3) == [[], []]


def test_what_is_refused_changes_nothing(gallery: Gallery) -> None:
    vectors = random_units(1, 2, WIDTH)
    for bad in (vectors[:1], vectors[:, 1:], vectors * np.nan):
        with pytest.raises(GalleryError):
            gallery.add(1, ids(1, 2), ids(1, 2), bad)
    with pytest.raises(GalleryError):
        gallery.add(1, ids(1, 1), ids(1, 2), vectors)
    with pytest.raises(GalleryError):
        gallery.search(1, vectors[:, 1:], 1)
    with pytest.raises(GalleryError):
        gallery.search(1, vectors, 0)
    assert gallery.count(1) == 0
