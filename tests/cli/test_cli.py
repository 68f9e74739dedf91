from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from app import cli_embeddings
from app.cli import main
from app.service import consents, house
from app.service.door import change
from app.service.recognition import identify
from app.settings import Settings
from app.store.migrate import head
from tests.doubles import WIDTH, FakeEngine, photo


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and an engine that reads coloured squares."""
    monkeypatch.setenv("FRONTALIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(house, "load_engine", lambda settings: FakeEngine())
    monkeypatch.setattr(cli_embeddings, "load_engine", lambda settings: FakeEngine())
    return tmp_path / "data"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """ada with two pictures, bob with one, one picture of nobody."""
    folder = tmp_path / "people"
    for name, person, spreads in (("ada", 1, (0, 40)), ("bob", 2, (0,))):
        (folder / name).mkdir(parents=True)
        for spread in spreads:
            (folder / name / f"{spread}.png").write_bytes(photo(person, spread=spread))
    (folder / "bob" / "broken.png").write_bytes(photo(2)[:-100])
    (folder / "bob" / "notes.txt").write_text("not a picture")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_folder_is_enrolled_and_the_second_run_knows_it(data: Path, people: Path, tmp_path: Path) -> None:
    first = run("enroll", people, "--report", tmp_path / "report.tsv")
    assert first.exit_code == 2, first.output
    assert "2 people: 3 enrolled, 0 known before, 1 rejected" in first.stdout
    assert "TRUNCATED_IMAGE" in first.stderr
    lines = [line.split("\t") for line in (tmp_path / "report.tsv").read_text().splitlines()]
    assert [line[2] for line in lines[1:]] == ["enrolled", "enrolled", "enrolled", "rejected"]

    (people / "bob" / "broken.png").write_bytes(photo(2, spread=50))
    (people / "cyd").mkdir()
    (people / "cyd" / "0.png").write_bytes(photo(3))
    second = run("enroll", people)
    assert second.exit_code == 0, second.output
    assert "3 people: 2 enrolled, 3 known before, 0 rejected" in second.stdout


def test_a_folder_into_a_collection_that_wants_consent(data: Path, people: Path) -> None:
    (people / "bob" / "broken.png").unlink()
    with house.opened(Settings(), FakeEngine()) as parts:
        consents.add_text(parts, "default", {"en": "I agree."})
        change(parts, "default", {"consent_required": True})
    for arguments, code in (((), "CONSENT_REQUIRED"), (("--consent", "2"), "CONSENT_OUTDATED")):
        refused = run("enroll", people, *arguments)
        assert refused.exit_code == 1
        assert code in refused.stderr
    done = run("enroll", people, "--consent", "1")
    assert "2 people: 3 enrolled" in done.stdout
    with house.opened(Settings(), FakeEngine()) as parts:
        (given,) = consents.consents_of(parts, "default", "ada")
    assert (given.version, given.how) == (1, "paper")


def test_identify_says_who(data: Path, people: Path, tmp_path: Path) -> None:
    run("enroll", people)
    image = tmp_path / "probe.png"
    image.write_bytes(photo(1, 5))
    shown = run("identify", image)
    assert shown.exit_code == 0, shown.output
    assert "Face 1: match" in shown.stdout
    assert "Face 2: no_match" in shown.stdout
    assert "among 2 subjects" in shown.stdout
    told = json.loads(run("identify", image, "--json", "--top-k", "1").stdout)
    assert told["faces"][0]["match"]["subject_id"] == "ada"
    assert len(told["faces"][0]["candidates"]) == 1


def test_warnings_go_beside_the_answer(data: Path, people: Path, tmp_path: Path) -> None:
    run("enroll", people)
    (snapshot,) = (data / "index").iterdir()
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    image = tmp_path / "probe.png"
    image.write_bytes(photo(1))
    told = run("identify", image, "--json")
    assert json.loads(told.stdout)["faces"][0]["match"]["subject_id"] == "ada"
    assert "snapshot not used" in told.stderr
    assert "index built" not in told.stderr


def test_a_folder_whose_name_is_no_id_is_named(data: Path, people: Path) -> None:
    (people / "ada").rename(people / "Ada Lovelace")
    told = run("enroll", people)
    assert told.exit_code == 1
    assert "'Ada Lovelace' is no subject id" in told.stderr


def test_reindex_applies_another_frontalizer(
    data: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("enroll", people)
    image = tmp_path / "probe.png"
    image.write_bytes(photo(1))
    monkeypatch.setattr(house, "load_engine", lambda settings: FakeEngine("fake-2", turn=7))
    refused = run("identify", image)
    assert (refused.exit_code, "MODEL_MISMATCH" in refused.stderr, "reindex" in refused.stderr) == (1, True, True)
    done = run("reindex")
    assert done.exit_code == 0, done.output
    assert "3 templates checked, 3 brought to fake-2" in done.stdout
    assert "Face 1: match" in run("identify", image).stdout
    assert "3 templates checked, 0 brought" in run("reindex").stdout


def test_reindex_leaves_what_another_extractor_enrolled(
    data: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("enroll", people)
    other = FakeEngine("other-1")
    other.extractor = "shapes"
    monkeypatch.setattr(house, "load_engine", lambda settings: other)
    done = run("reindex")
    assert done.exit_code == 1
    assert "default: enrolled with another extractor" in done.stderr


def test_a_command_works_beside_a_service(data: Path, people: Path) -> None:
    shutil.rmtree(people / "bob")
    with house.opened(Settings(), FakeEngine()) as parts:
        assert run("enroll", people).exit_code == 0
        assert identify(parts, photo(1)).faces[0].decision == "no_match"
        assert not parts.index.follow()
        assert identify(parts, photo(1)).faces[0].decision == "match"


def test_a_collection_goes_to_a_file_and_back(data: Path, people: Path, tmp_path: Path) -> None:
    run("enroll", people)
    done = run("export", "default", tmp_path / "a.tar")
    assert done.exit_code == 0, done.output
    assert "2 subjects, 3 templates to" in done.stdout
    assert "BAD_REQUEST" in run("export", "default", tmp_path / "a.tar").stderr
    done = run("import", tmp_path / "a.tar", "--collection", "copy")
    assert "2 subjects, 3 templates into 'copy', 0 templates known before" in done.stdout, done.output
    (tmp_path / "probe.png").write_bytes(photo(1))
    assert "Face 1: match" in run("identify", tmp_path / "probe.png", "--collection", "copy").stdout
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:2000])
    assert "BAD_ARCHIVE" in run("import", tmp_path / "b.tar").stderr


def test_migrate_says_from_where_to_where(data: Path) -> None:
    newest = head()
    assert run("migrate").stdout == f"empty -> {newest}\n"
    assert run("migrate").stdout == f"{newest} -> {newest}\n"


def test_identify_before_anything_says_what_to_do(data: Path, tmp_path: Path) -> None:
    image = tmp_path / "probe.png"
    image.write_bytes(photo(1))
    told = run("identify", image)
    assert told.exit_code == 1
    assert "frontalis migrate" in told.stderr


def test_settings_that_cannot_be_are_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTALIS_PORT", "none")
    told = run("serve")
    assert told.exit_code == 1
    assert "FRONTALIS_PORT" in told.stderr
    monkeypatch.setenv("FRONTALIS_PORT", "8000")
    monkeypatch.setenv("FRONTALIS_HOST", "0.0.0.0")
    assert "set FRONTALIS_API_KEY" in run("serve").stderr


def test_a_gpu_that_is_not_there_is_refused(data: Path, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("FRONTALIS_DEVICE", "cuda")
    told = run("enroll", people)
    assert told.exit_code == 1
    assert "does not fall back in silence" in told.stderr


def test_doctor_tells_what_fails(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTALIS_EXTRACTOR", "nobody-has-this")
    told = run("doctor", "--json")
    assert told.exit_code == 1
    found = {one["name"]: one for one in json.loads(told.stdout)}
    assert found["torch"]["state"] == found["database"]["state"] == "ok"
    assert found["model"]["state"] == "failed"
    assert "nobody-has-this" in found["model"]["detail"]
    assert not data.exists(), "doctor changes nothing"


def test_ready_embeddings_are_enrolled_and_known_the_second_time(data: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack([np.random.default_rng(1).normal(size=WIDTH)] * 2 + [np.ones(WIDTH)]))
    (tmp_path / "a.txt").write_text("ada\nada\nbob\n")
    files = (tmp_path / "a.npy", tmp_path / "a.txt")
    first = run("enroll-embeddings", *files, "--extractor", "colours")
    assert first.exit_code == 0, first.output
    assert "2 templates of 2 new subjects into 'default', 1 known before" in first.stdout
    again = run("enroll-embeddings", *files, "--extractor", "colours")
    assert "0 templates of 0 new subjects into 'default', 3 known before" in again.stdout
    image = tmp_path / "probe.png"
    image.write_bytes(photo(1))
    assert "Face 1: match" in run("identify", image).stdout
    refused = run("enroll-embeddings", *files, "--extractor", "another")
    assert refused.exit_code == 1
    assert "MODEL_MISMATCH" in refused.stderr
