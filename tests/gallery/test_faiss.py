from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from numpy.typing import NDArray

from app.errors import GalleryError
from app.gallery.faiss import FaissGallery
from app.gallery.tail import as_stored
from app.gallery.tiers import Tiers
from tests.gallery.model import PlainGallery, random_units, unit

WIDTH = 8
# Few values on purpose: equal vectors and equal scores are the interesting case.
# Rounded to what both tiers hold exactly, so that scores can be compared bit by bit.
FEW = as_stored(unit(np.random.default_rng(5).integers(-1, 2, (6, WIDTH)) + np.eye(6, WIDTH) * 3))
collections = st.integers(1, 2)
template_ids = st.lists(st.integers(1, 40), min_size=1, max_size=12, unique=True)


class AgainstPlainModel(RuleBasedStateMachine):
    tiers = Tiers()

    def __init__(self) -> None:
        super().__init__()
        self.real = FaissGallery(WIDTH, self.tiers)
        self.model = PlainGallery()

    def teardown(self) -> None:
        self.real.close()

    @rule(collection=collections, templates=template_ids, data=st.data())
    def add(self, collection: int, templates: list[int], data: st.DataObject) -> None:
        n = len(templates)
        subjects = np.array(data.draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)))
        vectors = FEW[data.draw(st.lists(st.integers(0, len(FEW) - 1), min_size=n, max_size=n))]
        for gallery in (self.real, self.model):
            gallery.add(collection, np.array(templates), subjects, vectors)

    @rule(collection=collections, templates=template_ids)
    def remove(self, collection: int, templates: list[int]) -> None:
        ids = np.array(templates)
        assert self.real.remove(collection, ids) == self.model.remove(collection, ids)

    @rule(collection=collections)
    def drop(self, collection: int) -> None:
        self.real.drop(collection)
        self.model.drop(collection)

    @rule(collection=collections, k=st.integers(1, 7), which=st.lists(st.integers(0, len(FEW) - 1), max_size=25))
    def search(self, collection: int, k: int, which: list[int]) -> None:
        queries = FEW[which]
        assert self.real.search(collection, queries, k) == self.model.search(collection, queries, k)

    @invariant()
    def counts_agree(self) -> None:
        assert [self.real.count(c) for c in (1, 2)] == [self.model.count(c) for c in (1, 2)]


class TieredAgainstPlainModel(AgainstPlainModel):
    """Segments of a few rows, so that every change seals, joins and tidies in the background."""

    tiers = Tiers(exact_below=6, seal_at=6, largest=30, most_segments=3)

    @rule()
    def settle(self) -> None:
        self.real.settle()


TestTieredAgainstPlainModel = TieredAgainstPlainModel.TestCase
TestTieredAgainstPlainModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgainstPlainModel = AgainstPlainModel.TestCase
TestAgainstPlainModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def ids(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def test_a_subject_with_a_thousand_templates_does_not_hide_the_next() -> None:
    gallery = FaissGallery(WIDTH)
    crowd = unit(np.eye(1, WIDTH) + 0.01 * random_units(1, 1000, WIDTH))
    gallery.add(1, np.arange(1000), np.full(1000, 7), crowd)
    gallery.add(1, ids(5000), ids(8), unit(np.ones((1, WIDTH))))
    hits = gallery.search(1, np.eye(1, WIDTH, dtype=np.float32), 5)[0]
    assert [hit.subject for hit in hits] == [7, 8]


def test_removing_most_rows_gives_memory_back_and_keeps_the_rest() -> None:
    gallery = FaissGallery(WIDTH)
    vectors = random_units(2, 5000, WIDTH)
    gallery.add(1, np.arange(5000), np.arange(5000), vectors)
    assert gallery.remove(1, np.arange(4900)) == 4900
    assert gallery.count(1) == 100
    assert [h[0].subject for h in gallery.search(1, vectors[4900:], 1)] == list(range(4900, 5000))
    assert all(hit.subject >= 4900 for hit in gallery.search(1, vectors[:1], 100)[0])


@pytest.mark.parametrize(
    ("templates", "vectors"),
    [
        (ids(1, 1), random_units(0, 2, WIDTH)),
        (ids(1, 2), random_units(0, 2, WIDTH + 1)),
        (ids(1), random_units(0, 2, WIDTH)),
        (ids(1, 2), np.full((2, WIDTH), np.nan, np.float32)),
    ],
)
def test_a_bad_change_is_refused_whole(templates: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
    gallery = FaissGallery(WIDTH)
    with pytest.raises(GalleryError):
        gallery.add(1, templates, templates, vectors)
    assert gallery.count(1) == 0


@pytest.mark.parametrize("k", [0, -1])
def test_k_starts_at_one(k: int) -> None:
    with pytest.raises(GalleryError):
        FaissGallery(WIDTH).search(1, FEW, k)


def test_searches_beside_a_change_see_it_whole() -> None:
    """A template moves to and fro between two subjects: every search finds it once, under one of them."""
    gallery = FaissGallery(WIDTH)
    vectors = random_units(3, 300, WIDTH)
    templates = np.arange(300)
    gallery.add(1, templates, np.full(300, 1), vectors)
    stop, wrong = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            subjects = {hit.subject for hits in gallery.search(1, vectors[::37], 3) for hit in hits}
            if len(subjects) != 1:
                wrong.append(subjects)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        gallery.add(1, templates, np.full(300, turn % 2 + 1), vectors)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing_flickers_while_the_background_rebuilds() -> None:
    """Searches beside adds, removals, sealing and joining: who stays is found every time, who is gone never."""
    gallery = FaissGallery(WIDTH, Tiers(exact_below=64, seal_at=64, largest=4096, most_segments=50))
    stay, leave = as_stored(random_units(7, 20, WIDTH)), as_stored(random_units(8, 400, WIDTH))
    gallery.add(1, np.arange(20), np.arange(20), stay)
    gallery.add(1, np.arange(1000, 1400), np.arange(1000, 1400), leave)
    stop, wrong, gone = threading.Event(), [], 1000

    def look() -> None:
        while not stop.is_set():
            before = gone
            found = gallery.search(1, stay, 1)
            wrong.extend(hits for row, hits in enumerate(found) if hits[0].template != row)
            late = gallery.search(1, leave[:400:7], 400)
            wrong.extend(hit for hits in late for hit in hits if 1000 <= hit.template < before)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    others = as_stored(-stay[0] + 0.05 * random_units(9, 1500, WIDTH))
    for turn in range(50):
        gallery.add(
            1, np.arange(5000 + 30 * turn, 5030 + 30 * turn), np.full(30, 9), others[30 * turn : 30 * turn + 30]
        )
        gallery.remove(1, np.arange(1000 + 8 * turn, 1008 + 8 * turn))
        gone = 1008 + 8 * turn
    stop.set()
    for thread in threads:
        thread.join()
    gallery.settle()
    assert not wrong
    assert gallery.count(1) == 1520
    gallery.close()


@pytest.mark.slow
def test_hard_probes_and_strangers_find_whom_the_exact_scan_finds() -> None:
    rng = np.random.default_rng(3)
    people = random_units(4, 6000, 128)
    noise = random_units(5, 5 * 6000, 128)
    vectors = unit(0.85 * np.repeat(people, 5, axis=0) + np.sqrt(1 - 0.85**2) * noise)
    subjects = np.repeat(np.arange(6000), 5)
    gallery = FaissGallery(128, Tiers(exact_below=8192))
    gallery.add(1, np.arange(30_000), subjects, vectors)
    removed = rng.choice(30_000, 4000, replace=False)
    gallery.remove(1, removed)
    vectors[removed] = 0
    hard = unit(0.5 * people[:300] + np.sqrt(0.75) * random_units(6, 300, 128))
    probes = np.concatenate([hard, random_units(7, 300, 128)])
    truth = subjects[np.argmax(probes @ vectors.T, axis=1)]
    found = np.array([hits[0].subject for hits in gallery.search(1, probes, 5)])
    gallery.close()
    assert (found == truth).mean() >= 0.99


def test_what_does_not_fit_on_the_gpu_is_searched_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def __init__(self, vectors: NDArray[np.float16], device: str) -> None:
            raise torch.OutOfMemoryError(f"{device} is full")

    rows = random_units(3, 400, WIDTH)
    galleries = [FaissGallery(WIDTH, Tiers(exact_below=64, seal_at=64), device=device) for device in ("cpu", "cpu:0")]
    galleries[0].add(1, np.arange(400), np.arange(400), rows)
    monkeypatch.setattr("app.gallery.segment.DeviceScan", Full)
    galleries[1].add(1, np.arange(400), np.arange(400), rows)
    assert galleries[0].search(1, rows[:5], 3) == galleries[1].search(1, rows[:5], 3)
    assert "400 templates do not fit on cpu:0" in caplog.text
    for gallery in galleries:
        gallery.close()
