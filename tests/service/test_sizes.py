from __future__ import annotations

from pathlib import Path

import pytest

from app.service.enrolment import Enrolment, enroll
from app.service.house import opened
from app.service.recognition import identify
from app.service.subjects import delete_subject
from app.settings import Settings
from app.store import queries
from tests.doubles import FakeEngine, photo


def test_subjects_are_counted_once_for_each_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    count = queries.count_subjects
    settings = Settings(data_dir=tmp_path, threads=1)
    with opened(settings, FakeEngine()) as parts, opened(settings, FakeEngine(), own=False) as other:
        enroll(parts, Enrolment([photo(1)], subject_id="ada"))
        monkeypatch.setattr(queries, "count_subjects", lambda *where: counted.append(1) or count(*where))
        assert [identify(parts, photo(1)).limit.subjects for _ in range(3)] == [1, 1, 1]
        assert len(counted) == 1
        enroll(other, Enrolment([photo(2)], subject_id="bob"))
        assert identify(parts, photo(1)).limit.subjects == 2, "what another process enrolled counts"
        delete_subject(parts, "default", "ada")
        assert identify(parts, photo(1)).limit.subjects == 1
