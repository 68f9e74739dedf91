"""``python -m tests.service.peer DATA_DIR DATABASE_URL``: another process over one database.

Reads commands from standard input, a line each, and answers each with a line once it is done: ``enrol PERSON
SUBJECT``, ``delete SUBJECT``, ``who PERSON`` (a subject or None), ``drop COLLECTION``, ``die`` (SIGKILL at once).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from app.api import logs
from app.service.collections import delete_collection
from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.index import keep_ready
from app.service.parts import Parts
from app.service.recognition import identify
from app.service.subjects import delete_subject
from app.settings import Settings
from tests.doubles import FakeEngine, photo


def answer(parts: Parts, command: str, *words: str) -> str:
    if command == "enrol":
        enroll(parts, Enrolment([photo(int(words[0]))], subject_id=words[1], duplicates="allow"))
    elif command == "delete":
        delete_subject(parts, "default", words[0])
    elif command == "drop":
        delete_collection(parts, words[0])
    elif command == "who":
        face = identify(parts, photo(int(words[0]))).faces[0]
        return str(face.match.subject_id if face.match else None)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def main(folder: str, database_url: str) -> None:
    logs.configure_for_commands()  # standard output is for answers
    settings = Settings(data_dir=Path(folder), database_url=database_url, threads=1)
    stop = threading.Event()
    with opened(settings, FakeEngine()) as parts:
        following = threading.Thread(target=keep_ready, args=(parts.index, stop, settings.follow_seconds / 2))
        following.start()
        print("ready", flush=True)
        for line in sys.stdin:
            print(answer(parts, *line.split()), flush=True)
        stop.set()
        following.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
