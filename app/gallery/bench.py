"""``bench_gallery``: what each backend costs at each size, all in one run on the same made-up people.

Beside the wall clock stands the processor time of the calling thread: on a machine that does other work the
first says how long one waited for a core, the second what the search cost. Backends take turns query by query.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from app.gallery.contract import Gallery
from app.gallery.crowd import Crowd, exact_subjects, make_crowd
from app.gallery.faiss import FaissGallery
from app.gallery.source import use_one_thread

CHANGED: Final = 0.01
"""Share of templates that come late, and that go, before anything is searched."""
_BATCH: Final = 100_000
_K: Final = 5


@dataclass(slots=True)
class Result:
    """One backend at one size. Milliseconds unless named otherwise; ``None``: the backend cannot."""

    backend: str
    templates: int
    build_s: float = 0.0
    build_cpu_s: float = 0.0
    add_ms: float | None = None
    delete_ms: float | None = None
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_ms: float = 0.0
    two_threads_per_s: float = 0.0
    recall_1: dict[str, float] = field(default_factory=dict)
    recall_5: dict[str, float] = field(default_factory=dict)
    memory_mb: float | None = None
    disk_mb: float | None = None
    restart_s: float | None = None


@dataclass(slots=True, eq=False)
class Contender:
    """Something that finds subjects: ``search`` answers the best subjects, at least one, for one query [width]."""

    result: Result
    search: Callable[[NDArray[np.float32]], list[int]]
    close: Callable[[], None]


def bench_gallery(
    sizes: Sequence[int] = (10_000, 100_000),
    backends: Sequence[str] = ("flat", "hnsw", "faiss"),
    *,
    width: int = 128,
    probes: int = 200,
    postgres: str = "",
    milvus: str = "",
) -> dict[str, Any]:
    """Measure ``backends`` (flat, hnsw, faiss, pgvector, pgvector-hnsw, milvus) side by side at each of ``sizes``.

    ``postgres`` and ``milvus`` are URLs (an empty ``milvus``: milvus-lite in a temporary folder). Answers what
    ``json.dumps`` takes.
    """
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count() or 1}
    runs: list[dict[str, Any]] = []
    for size in sizes:
        crowd = make_crowd(size, width, probes)
        with tempfile.TemporaryDirectory() as name:
            made = [_MAKERS[each](each, crowd, Path(name), postgres, milvus) for each in backends]
            _time_searches(made, crowd)
            _count_hits(made, crowd, exact_subjects(crowd, _K, _gone(crowd)))
            for contender in made:
                contender.close()
            runs += [asdict(contender.result) for contender in made]
    return {"width": width, "probes": probes, "faiss": faiss.__version__, "machine": machine, "runs": runs}


def _late(crowd: Crowd) -> NDArray[np.int64]:
    """Templates that come after the build; the same number before them is removed."""
    n = len(crowd.subjects)
    return np.arange(n - max(1, int(n * CHANGED)), n)


def _gone(crowd: Crowd) -> NDArray[np.int64]:
    return _late(crowd) - len(_late(crowd))


def _raw(backend: str, crowd: Crowd, folder: Path, postgres: str, milvus: str) -> Contender:
    use_one_thread()
    width, left = crowd.vectors.shape[1], np.setdiff1d(np.arange(len(crowd.subjects)), _gone(crowd))
    index: Any = faiss.IndexFlatIP(width)
    if backend == "hnsw":
        index = faiss.IndexHNSWFlat(width, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = 256
    result = Result(backend, len(crowd.subjects))
    memory = _resident()
    with _clock(result):
        for at in range(0, len(left), _BATCH):  # a part at a time: at ten million a copy of all does not fit
            index.add(crowd.vectors[left[at : at + _BATCH]])
    result.memory_mb = _resident() - memory

    def search(query: NDArray[np.float32]) -> list[int]:
        use_one_thread()
        _, rows = index.search(query[None], 4 * _K)
        return list(dict.fromkeys(crowd.subjects[left[rows[0]]].tolist()))[:_K]

    return Contender(result, search, lambda: None)


def _ours(backend: str, crowd: Crowd, folder: Path, postgres: str, milvus: str) -> Contender:
    gallery = FaissGallery(crowd.vectors.shape[1])
    contender = _filled(Result(backend, len(crowd.subjects)), gallery, crowd)
    gallery.settle()
    path = folder / "snapshot"
    gallery.save(path, 1)
    contender.result.disk_mb = path.stat().st_size / 1e6
    again = FaissGallery(gallery.width)
    start = time.perf_counter()
    again.restore(path)
    again.search(1, crowd.vectors[:1], 1)
    contender.result.restart_s = time.perf_counter() - start
    again.close()
    return contender


def _pgvector(backend: str, crowd: Crowd, folder: Path, postgres: str, milvus: str) -> Contender:
    from app.gallery.pgvector import PgvectorGallery

    gallery = PgvectorGallery(postgres, crowd.vectors.shape[1], hnsw=backend.endswith("hnsw"), table="gallery_bench")
    gallery.drop(1)
    return _filled(Result(backend, len(crowd.subjects)), gallery, crowd)


def _milvus(backend: str, crowd: Crowd, folder: Path, postgres: str, milvus: str) -> Contender:
    from app.gallery.milvus import MilvusGallery

    gallery = MilvusGallery(milvus or str(folder / "milvus.db"), crowd.vectors.shape[1], prefix="frontalis_bench")
    gallery.drop(1)
    contender = _filled(Result(backend, len(crowd.subjects)), gallery, crowd)
    if not milvus:
        contender.result.disk_mb = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6
    return contender


_MAKERS: Final = {
    "flat": _raw,
    "hnsw": _raw,
    "faiss": _ours,
    "pgvector": _pgvector,
    "pgvector-hnsw": _pgvector,
    "milvus": _milvus,
}


def _filled(result: Result, gallery: Gallery, crowd: Crowd) -> Contender:
    late, templates = _late(crowd), np.arange(len(crowd.subjects))
    memory = _resident()
    with _clock(result):
        for at in range(0, late[0], _BATCH):
            part = slice(at, min(at + _BATCH, int(late[0])))
            gallery.add(1, templates[part], crowd.subjects[part], crowd.vectors[part])
        if isinstance(gallery, FaissGallery):
            gallery.settle()
    result.memory_mb = _resident() - memory if isinstance(gallery, FaissGallery) else None
    singly, rest = late[:20], late[20:]
    result.add_ms = _median(
        lambda i: gallery.add(
            1, singly[i : i + 1], crowd.subjects[singly[i : i + 1]], crowd.vectors[singly[i : i + 1]]
        ),
        len(singly),
    )
    if len(rest):
        gallery.add(1, rest, crowd.subjects[rest], crowd.vectors[rest])
    gone = _gone(crowd)
    result.delete_ms = _median(lambda i: gallery.remove(1, gone[i : i + 1]), min(20, len(gone)))
    gallery.remove(1, gone)

    def search(query: NDArray[np.float32]) -> list[int]:
        return [hit.subject for hit in gallery.search(1, query[None], _K)[0]]

    return Contender(result, search, gallery.close)


def _time_searches(contenders: list[Contender], crowd: Crowd) -> None:
    """Interleaved, one query at a time, kinds mixed; then two threads, one backend after another."""
    queries = np.stack(list(crowd.probes.values()), axis=1).reshape(-1, crowd.vectors.shape[1])[:120]
    wall: dict[int, list[float]] = {id(each): [] for each in contenders}
    spent: dict[int, list[float]] = {id(each): [] for each in contenders}
    for query in queries:
        for each in contenders:
            start, cpu = time.perf_counter(), time.thread_time()
            each.search(query)
            wall[id(each)].append(time.perf_counter() - start)
            spent[id(each)].append(time.thread_time() - cpu)
    for each in contenders:
        each.result.p50_ms, each.result.p99_ms = (1e3 * np.percentile(wall[id(each)], [50, 99])).tolist()
        each.result.cpu_ms = 1e3 * float(np.median(spent[id(each)]))
        with ThreadPoolExecutor(2) as pool:
            start = time.perf_counter()
            list(pool.map(each.search, queries))
            each.result.two_threads_per_s = len(queries) / (time.perf_counter() - start)


def _count_hits(contenders: list[Contender], crowd: Crowd, truth: dict[str, NDArray[np.int64]]) -> None:
    for each in contenders:
        for kind, queries in crowd.probes.items():
            found = [each.search(query) for query in queries]
            first = [bool(got) and got[0] == want[0] for got, want in zip(found, truth[kind], strict=True)]
            shared = [len({*got} & {*want.tolist()}) / _K for got, want in zip(found, truth[kind], strict=True)]
            each.result.recall_1[kind], each.result.recall_5[kind] = float(np.mean(first)), float(np.mean(shared))


@contextlib.contextmanager
def _clock(result: Result) -> Iterator[None]:
    start, cpu = time.perf_counter(), time.process_time()
    yield
    result.build_s, result.build_cpu_s = time.perf_counter() - start, time.process_time() - cpu


def _median(once: Callable[[int], object], times: int) -> float:
    taken = []
    for i in range(times):
        start = time.perf_counter()
        once(i)
        taken.append(time.perf_counter() - start)
    return 1e3 * float(np.median(taken))


def _resident() -> float:
    """Megabytes of its own that this process holds in memory: pages of files do not count."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0
    resident, of_files = map(int, statm.read_text().split()[1:3])
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """``python -m app.gallery.bench --sizes 10000 100000 --json figures.json``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--backends", nargs="+", default=["flat", "hnsw", "faiss"], choices=list(_MAKERS))
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--postgres", default="")
    parser.add_argument("--milvus", default="")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    found = bench_gallery(
        given.sizes, given.backends, probes=given.probes, postgres=given.postgres, milvus=given.milvus
    )
    given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
