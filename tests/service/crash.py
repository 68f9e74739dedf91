"""A service that is killed at random moments: ``python -m tests.service.crash --points 500``.

A child opens the house (tables are made or checked, the index restored), then enrols and deletes people without a
pause, while a second thread writes snapshots. It says what it is about to do and when that is acknowledged, and is
killed (SIGKILL) at a random moment, now and then on its way up in an empty folder. Then the house is opened again: rows
and index must hold what was acknowledged, the change under way wholly or not at all, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import struct
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.api import logs
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.subjects import delete_subject
from app.settings import Settings
from app.store.models import Subject, Template
from tests.doubles import FakeEngine, photo

PEOPLE: Final = 6
WORD: Final = struct.Struct("<qq")  # a person, or -1: acknowledged; templates that come (1) or go (-1)
READY: Final = WORD.pack(-2, 0)
LONGEST: Final = 0.6
"""Seconds until the latest kill."""


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=folder, threads=1)


def live(folder: Path, seed: int, tell: int) -> None:
    """Change people for ever."""
    rng = random.Random(seed)
    with opened(settings_of(folder), FakeEngine()) as parts:
        with parts.database.reading() as session:
            held = _held(session)
        os.write(tell, READY)

        def keep() -> None:
            try:
                while True:
                    parts.index.save()
                    time.sleep(0.002)
            finally:
                os._exit(1)  # the parent finds the pipe closed

        threading.Thread(target=keep, daemon=True).start()
        while True:
            person = rng.randrange(PEOPLE)
            goes = held[f"p{person}"] > 2 or (held[f"p{person}"] and rng.random() < 0.4)
            os.write(tell, WORD.pack(person, -1 if goes else 1))
            if goes:
                delete_subject(parts, "default", f"p{person}")
                held[f"p{person}"] = 0
            else:
                picture = photo(person + 1, spread=rng.randrange(1, 200))
                enroll(parts, Enrolment([picture], subject_id=f"p{person}", duplicates="allow"))
                held[f"p{person}"] += 1
            os.write(tell, WORD.pack(-1, 0))


def kill_once(folder: Path, rng: random.Random) -> list[tuple[int, int]]:
    """Let a child live for a moment; answer what it said, in order."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        logs.configure("error")
        try:
            live(folder, rng.randrange(1 << 30), tell)
        finally:
            os._exit(1)
    os.close(tell)
    said = b""
    if rng.random() < 0.7:  # else on its way up
        said = os.read(told, WORD.size)
    time.sleep(rng.random() ** 2 * LONGEST)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child failed by itself"
    while part := os.read(told, 1 << 16):
        said += part
    os.close(told)
    return [word for word in WORD.iter_unpack(said) if word != (-2, 0)]


def check(folder: Path, before: Counter[str], said: list[tuple[int, int]]) -> Counter[str]:
    """What is there now. Raises ``AssertionError`` where that is not what was acknowledged."""
    wanted, under_way = Counter(before), None
    for person, step in said:
        if person >= 0:
            under_way = (f"p{person}", step)
        elif under_way is not None:
            wanted, under_way = _after(wanted, *under_way), None
    with opened(settings_of(folder), FakeEngine()) as parts, parts.database.reading() as session:
        found = _held(session)
        allowed = [wanted] if under_way is None else [wanted, _after(wanted, *under_way)]
        assert found in allowed, f"{dict(found)} is neither of {[dict(one) for one in allowed]}"
        assert parts.index.ready
        assert parts.index.templates() == set(session.scalars(select(Template.id))), "index and rows disagree"
        return found


def _after(held: Counter[str], name: str, step: int) -> Counter[str]:
    changed = Counter(held)
    if step > 0:
        changed[name] += 1
    else:
        del changed[name]
    return changed


def _held(session: Session) -> Counter[str]:
    """Templates by subject."""
    names = select(Subject.public_id, func.count(Template.id)).join(Template, Template.subject_id == Subject.id)
    return Counter({row[0]: row[1] for row in session.execute(names.group_by(Subject.public_id))})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logs.configure("error")
    rng = random.Random(arguments.seed)
    changes = fresh = 0
    with tempfile.TemporaryDirectory() as name:
        folder, held = Path(name) / "0", Counter[str]()
        for point in range(arguments.points):
            if rng.random() < 0.2:
                folder, held, fresh = Path(name) / str(point + 1), Counter(), fresh + 1
            said = kill_once(folder, rng)
            changes += sum(person == -1 for person, _ in said)
            held = check(folder, held, said)
    assert changes, "no life was long enough for a change"
    print(
        f"{arguments.points} kills, {fresh} of them from an empty folder on, {changes} acknowledged changes: "
        "nothing lost, nothing back"
    )


if __name__ == "__main__":
    main()
