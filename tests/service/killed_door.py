"""``python -m tests.service.killed_door DATA_DIR DATABASE_URL HOOK``: a process that signs somebody in and is killed
before it tells the webhook. Prints the visit's id when the sign-in is acknowledged, then sends itself SIGKILL."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.visits import SignIn, sign_in
from app.service.webhooks import add_webhook
from app.settings import Settings
from tests.doubles import FakeEngine, photo


def main(folder: str, database_url: str, hook: str) -> None:
    settings = Settings(data_dir=Path(folder), database_url=database_url, threads=1, webhook_private_targets=True)
    with opened(settings, FakeEngine()) as parts:
        enroll(parts, Enrolment([photo(1)], subject_id="ada", name="Ada"))
        add_webhook(parts, "default", hook, [])
        done = sign_in(parts, SignIn([photo(1)], key="k-1"))
        print(done.visit.visit_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
