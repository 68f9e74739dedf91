"""``python -m tests.service.killed DATA_DIR DATABASE_URL``: a process that changes people around a snapshot and is
killed. Prints a line when everything before it is acknowledged, then sends itself SIGKILL."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.subjects import delete_subject
from app.settings import Settings
from tests.doubles import FakeEngine, photo


def main(folder: str, database_url: str) -> None:
    settings = Settings(data_dir=Path(folder), database_url=database_url, threads=1)
    with opened(settings, FakeEngine()) as parts:
        enroll(parts, Enrolment([photo(1), photo(1, spread=20)], subject_id="ada"))
        enroll(parts, Enrolment([photo(2)], subject_id="bob"))
        snapshots = parts.index._snapshots
        assert snapshots is not None
        snapshots.save()
        delete_subject(parts, "default", "ada")
        enroll(parts, Enrolment([photo(3)], subject_id="cyd"))
        print("acknowledged", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
