"""``bench_load``: the real service under concurrent clients that identify, over a gallery of made-up people.

The picture is VGA with one face, of somebody who is enrolled: an answer that names nobody else and nobody is an error
like a refusal. Beside the wall clock stands the service's processor time, which other work on the machine changes
little, and how many processors that other work took meanwhile.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.errors import ConfigurationError
from app.face.bench import SIZES, composed
from app.gallery.crowd import make_people
from app.load.server import Served, apart, served
from app.load.usage import busy_s, processor_s, resident_mb
from app.service.collections import ensure_default
from app.service.embeddings import enroll_embeddings
from app.service.loading import load_engine
from app.service.machine import prepare
from app.service.rows import rows
from app.settings import Settings
from app.store import migrate
from app.store.embedding_file import EmbeddingFile

SOMEBODY: Final = "somebody"
WARM_UP: Final = 0.2
"""Share of the requests after which memory must stay."""
SAMPLES: Final = 200
"""Times that memory is read."""
_FIRST: Final = 10
"""Requests that make kernels and connections, and do not count."""


def bench_load(
    given: Settings,
    portrait: NDArray[np.uint8],
    subjects: int = 100_000,
    clients: int = 4,
    requests: int = 1000,
    progress: Callable[[str, int, int], object] = lambda phase, done, of: None,
) -> dict[str, Any]:
    """First one client and a service of one thread on one processor, then ``clients`` and all its threads.

    ``portrait`` [h, w, 3] shows one face; ``progress`` is told phase, done and of how many. Answers what
    ``json.dumps`` takes. Raises ``ConfigurationError`` where the picture's face cannot be enrolled.
    """
    picture = _jpeg(composed(portrait, SIZES["vga"], 1))
    with tempfile.TemporaryDirectory(prefix="frontalis-load-") as name:
        settings = apart(given, Path(name))
        prepare(settings)
        _fill(settings, subjects, lambda done: progress("enrolling", done, subjects))
        pinned = hasattr(os, "sched_getaffinity")
        core = min(os.sched_getaffinity(0)) if pinned else None
        with served(settings.model_copy(update={"threads": 1}), core) as service:
            model_id = _enrolled(service, picture)
            alone = _driven(service, picture, 1, min(requests, 1000), lambda done, of: progress("one client", done, of))
        with served(settings) as service:
            loaded = _driven(
                service, picture, clients, requests, lambda done, of: progress(f"{clients} clients", done, of)
            )
    return {
        "model_id": model_id,
        "subjects": subjects,
        "processors": os.cpu_count() or 1,
        "threads": settings.threads,
        "one_core": {"pinned": pinned, **alone},
        "loaded": loaded,
    }


def _fill(settings: Settings, subjects: int, progress: Callable[[int], object]) -> None:
    """Rows of people who do not exist, one template each."""
    engine = load_engine(settings)
    vectors, names = settings.data_dir / "made-up.npy", settings.data_dir / "made-up.txt"
    np.save(vectors, make_people(subjects, engine.width))
    names.write_text("".join(f"made-up-{number}\n" for number in range(subjects)))
    with rows(settings) as database:
        migrate.upgrade(database)
        ensure_default(database)
        file = EmbeddingFile(vectors, names)
        enroll_embeddings(database, engine, file, engine.extractor, "default", settings.max_templates, progress)
    vectors.unlink()


def _enrolled(service: Served, picture: bytes) -> str:
    """Enrol the picture's face; the service's model id."""
    with httpx2.Client(base_url=service.address, timeout=60) as client:
        answer = client.post("/enroll", files=[("images", picture)], data={"subject_id": SOMEBODY})
        if answer.status_code != 201:
            raise ConfigurationError(f"The picture's face cannot be enrolled: {answer.json()['code']}")
        return str(client.get("/readyz").json()["model_id"])


def _driven(
    service: Served, picture: bytes, clients: int, requests: int, progress: Callable[[int, int], object]
) -> dict[str, Any]:
    """``requests`` by ``clients`` that never pause."""
    numbers, counting = iter(range(requests)), threading.Lock()
    taken, wrong = np.zeros(requests), np.zeros(requests, bool)
    memory: list[tuple[int, float]] = []
    every = max(1, requests // SAMPLES)

    def ask_on(place: int) -> None:
        with httpx2.Client(base_url=service.address, timeout=60) as client:
            while True:
                with counting:
                    number = next(numbers, None)
                if number is None:
                    return
                started = time.perf_counter()
                right = _right(client, picture)
                taken[number], wrong[number] = time.perf_counter() - started, not right
                if number % every == 0:
                    held = resident_mb(service.process)
                    with counting:
                        if held is not None:
                            memory.append((number, held))
                        progress(number, requests)

    with httpx2.Client(base_url=service.address, timeout=60) as client:
        for _ in range(_FIRST):
            _right(client, picture)
    mine, theirs, all_of_it = time.process_time(), processor_s(service.process), busy_s()
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask_on, range(clients)))
    seconds = time.perf_counter() - started
    used = _since(processor_s(service.process), theirs)
    busy = _since(busy_s(), all_of_it)
    own = time.process_time() - mine
    memory.sort()
    return {
        "clients": clients,
        "requests": requests,
        "errors": int(wrong.sum()),
        "a_second": requests / seconds,
        "p50_ms": 1e3 * float(np.quantile(taken, 0.5)),
        "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
        "cpu_ms": None if used is None else 1e3 * used / requests,
        "others": None if used is None or busy is None else max(0.0, (busy - used - own) / seconds),
        "memory_mb": [[number, round(held, 2)] for number, held in memory],
        "memory_spread": spread([held for number, held in memory if number >= WARM_UP * requests]),
    }


def spread(memory: list[float]) -> float | None:
    """How much more the most is than the least, as a share of the least; None where nothing is known."""
    return max(memory) / min(memory) - 1 if memory else None


def _right(client: httpx2.Client, picture: bytes) -> bool:
    try:
        answer = client.post("/identify", files={"image": picture})
    except httpx2.TransportError:
        return False
    if answer.status_code != 200:
        return False
    faces = answer.json()["faces"]
    return len(faces) == 1 and faces[0]["match"] is not None and faces[0]["match"]["subject_id"] == SOMEBODY


def _since(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=90)
    return out.getvalue()
