"""``frontalis bench door``: how long a visitor waits, asked over HTTP as the kiosk asks."""

from __future__ import annotations

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
import numpy as np
import typer
from PIL import Image
from rich.console import Console

from app.errors import ConfigurationError
from app.load.server import apart, served
from app.settings import Settings

LOOK_SIDE: Final = 480
TICK_SECONDS: Final = 0.12
FRAMES: Final = 3
"""As in web/kiosk: a small look at where the face is, then frames a tick apart."""

Photographs = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="A folder a person, three pictures or more in each.")
]
Visitors = Annotated[int, typer.Option(min=1, help="People at most.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long visits are counted.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def door(photographs: Photographs, visitors: Visitors = 20, seconds: Seconds = 20, as_json: AsJson = False) -> None:
    """Seconds from a face in view to the greeting, and visits a minute. Two pictures of each enrol, the rest visit."""
    found = bench_door(photographs, visitors, seconds)
    out = Console()
    if as_json:
        out.print_json(json.dumps(found))
        return
    out.print(
        f"{found['visits']} visits of {found['people']} people: greeting after {found['greeting_p50_s']:.2f} s "
        f"(p95 {found['greeting_p95_s']:.2f} s), {found['matched']} known; "
        f"{found['visits_a_minute']:.0f} visits a minute sustained by {found['threads']} threads"
    )


def bench_door(photographs: Path, visitors: int, seconds: float) -> dict[str, Any]:
    """Raises ``ConfigurationError`` where nobody has three pictures."""
    folders = [folder for folder in sorted(photographs.iterdir()) if len(_pictures(folder)) > 2][:visitors]
    if not folders:
        raise ConfigurationError(f"{photographs} holds no folder with three pictures")
    given = Settings()
    with tempfile.TemporaryDirectory(prefix="frontalis-door-") as data:
        settings = apart(given, Path(data))
        with served(settings) as service, httpx2.Client(base_url=service.address, timeout=60) as client:
            for folder in folders:
                files = [("images", path.read_bytes()) for path in _pictures(folder)[:2]]
                client.post("/enroll", files=files, data={"subject_id": folder.name, "faces": "largest"})
            shown = [(folder.name, path.read_bytes()) for folder in folders for path in _pictures(folder)[2:]]
            told = [_greeted(client, subject, picture) for subject, picture in shown]
            rate = _sustained(client, [picture for _, picture in shown], settings.threads, seconds)
    waits = np.array([wait for wait, _ in told])
    return {
        "people": len(folders),
        "visits": len(told),
        "matched": sum(right for _, right in told),
        "greeting_p50_s": float(np.quantile(waits, 0.5)),
        "greeting_p95_s": float(np.quantile(waits, 0.95)),
        "visits_a_minute": rate,
        "threads": settings.threads,
    }


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def _greeted(client: httpx2.Client, subject: str, picture: bytes) -> tuple[float, bool]:
    """Seconds until the kiosk would greet, and whether it greets the right one by name."""
    small = _small(picture)
    started = time.perf_counter()
    time.sleep(TICK_SECONDS)
    client.post("/analyze", files={"image": small}, data={"attributes": "pose,quality"})
    time.sleep(FRAMES * TICK_SECONDS)
    answer = client.post("/visits", files=[("images", picture)] * FRAMES, data={"direction": "in"})
    waited = time.perf_counter() - started
    return waited, answer.status_code == 200 and answer.json()["subject_id"] == subject


def _small(picture: bytes) -> bytes:
    image = Image.open(BytesIO(picture)).convert("RGB")
    image.thumbnail((LOOK_SIDE, LOOK_SIDE))
    out = BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _sustained(client: httpx2.Client, pictures: list[bytes], clients: int, seconds: float) -> float:
    """Visits a minute when ``clients`` doors never pause."""
    ends = time.perf_counter() + seconds

    def visit_on(first: int) -> int:
        asked = done = 0
        while time.perf_counter() < ends:
            picture = pictures[(first + asked) % len(pictures)]
            answer = client.post("/visits", files=[("images", picture)] * FRAMES, data={"direction": "in"})
            done += answer.status_code == 200
            asked += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        done = sum(pool.map(visit_on, range(clients)))
    return 60 * done / (time.perf_counter() - started)
