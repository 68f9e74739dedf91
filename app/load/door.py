"""``bench_door``: seconds from a face in view to the greeting, and visits a minute, as the kiosk asks over HTTP.

A visit is what the page does once a face is there: a tick, a look (where is the face, how is it turned), three frames a
tick apart, one request with them. Camera and browser are not in it. The three frames are one photograph.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx2
import numpy as np
from PIL import Image

from app.errors import ConfigurationError
from app.load.server import Served, apart, served
from app.load.usage import busy_s, processor_s
from app.settings import Settings

LOOK_SIDE: Final = 480
TICK_SECONDS: Final = 0.12
FRAMES: Final = 3
"""As in web/kiosk: a small look at where the face is, then frames a tick apart."""
SIDE: Final = 35.0
"""Degrees of yaw from which somebody came from the side."""
ENROLLED: Final = 2
"""Pictures of each person that enrol."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """``right``: the right one by name."""

    seconds: float
    right: bool
    yaw: float


def bench_door(photographs: Path, visitors: int, seconds: float) -> dict[str, Any]:
    """``photographs``: a folder a person. Raises ``ConfigurationError`` where nobody has three pictures."""
    folders = [folder for folder in sorted(photographs.iterdir()) if len(_pictures(folder)) > ENROLLED][:visitors]
    if not folders:
        raise ConfigurationError(f"{photographs} holds no folder with three pictures")
    given = Settings()
    with tempfile.TemporaryDirectory(prefix="frontalis-door-") as data:
        settings = apart(given, Path(data))
        with served(settings) as service, httpx2.Client(base_url=service.address, timeout=60) as client:
            for folder in folders:
                files = [("images", path.read_bytes()) for path in _pictures(folder)[:ENROLLED]]
                client.post("/enroll", files=files, data={"subject_id": folder.name, "faces": "largest"})
            model_id = client.get("/readyz").json()["model_id"]
            shown = [(folder.name, path.read_bytes()) for folder in folders for path in _pictures(folder)[ENROLLED:]]
            told = [_greeted(client, subject, picture) for subject, picture in shown]
            sustained = _sustained(service, [picture for _, picture in shown], settings.threads, seconds)
    waits = np.array([one.seconds for one in told])
    side = [one for one in told if abs(one.yaw) >= SIDE]
    return {
        "model_id": model_id,
        "processors": os.cpu_count() or 1,
        "threads": settings.threads,
        "people": len(folders),
        "visits": len(told),
        "matched": sum(one.right for one in told),
        "side_visits": len(side),
        "side_matched": sum(one.right for one in side),
        "frames_s": (1 + FRAMES) * TICK_SECONDS,
        "greeting_p50_s": float(np.quantile(waits, 0.5)),
        "greeting_p95_s": float(np.quantile(waits, 0.95)),
        **sustained,
    }


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def _greeted(client: httpx2.Client, subject: str, picture: bytes) -> Greeted:
    small = _small(picture)
    started = time.perf_counter()
    time.sleep(TICK_SECONDS)
    seen = client.post("/analyze", files={"image": small}, data={"attributes": "pose,quality"})
    time.sleep(FRAMES * TICK_SECONDS)
    answer = client.post("/visits", files=[("images", picture)] * FRAMES, data={"direction": "in"})
    waited = time.perf_counter() - started
    yaw = float(seen.json()["faces"][0]["pose"]["yaw"]) if seen.status_code == 200 else 0.0
    return Greeted(waited, answer.status_code == 200 and answer.json()["subject_id"] == subject, yaw)


def _small(picture: bytes) -> bytes:
    image = Image.open(BytesIO(picture)).convert("RGB")
    image.thumbnail((LOOK_SIDE, LOOK_SIDE))
    out = BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _sustained(service: Served, pictures: list[bytes], doors: int, seconds: float) -> dict[str, Any]:
    """Visits a minute when so many ``doors`` never pause, and how many processors other work took meanwhile."""
    ends = time.perf_counter() + seconds

    def visit_on(first: int) -> int:
        asked = done = 0
        with httpx2.Client(base_url=service.address, timeout=60) as client:
            while time.perf_counter() < ends:
                picture = pictures[(first + asked) % len(pictures)]
                answer = client.post("/visits", files=[("images", picture)] * FRAMES, data={"direction": "in"})
                done += answer.status_code == 200
                asked += 1
        return done

    mine, theirs, all_of_it = time.process_time(), processor_s(service.process), busy_s()
    started = time.perf_counter()
    with ThreadPoolExecutor(doors) as pool:
        done = sum(pool.map(visit_on, range(doors)))
    took = time.perf_counter() - started
    own, used, busy = time.process_time() - mine, processor_s(service.process), busy_s()
    others = None
    if theirs is not None and used is not None and all_of_it is not None and busy is not None:
        others = max(0.0, (busy - all_of_it - (used - theirs) - own) / took)
    return {"visits_a_minute": 60 * done / took, "others": others}
