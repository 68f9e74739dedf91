from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BadArchive
from app.store.archive import FORMAT, Block, Header, Reader, Totals, Writer

WIDTH = 3
HEADER = Header(FORMAT, "default", "fake-1", WIDTH, "7 1 2 3")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.none() | st.integers() | texts | st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False))
some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    people = draw(
        st.lists(
            st.tuples(
                st.fixed_dictionaries({"public_id": texts, "metadata": values}),
                st.lists(st.fixed_dictionaries({"public_id": texts, "pose": values}), max_size=3),
            ),
            min_size=1,
            max_size=4,
        )
    )
    number = sum(len(templates) for _, templates in people)
    size = 4 * 2 * WIDTH * number
    flat = draw(st.binary(min_size=size, max_size=size))
    return Block(people, np.frombuffer(flat, np.float32).reshape(number, 2, WIDTH))


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def write(path: Path, many: list[Block]) -> Totals:
    with Writer(path, HEADER) as writer:
        for block in many:
            writer.block(block)
        return writer.finish()


def read(path: Path) -> tuple[Header, list[Block], Totals]:
    with path.open("rb") as file:
        reader = Reader(file)
        return reader.header, list(reader.blocks()), reader.totals


def same(one: list[Block], other: list[Block]) -> bool:
    return len(one) == len(other) and all(
        a.subjects == b.subjects and a.vectors.tobytes() == b.vectors.tobytes() for a, b in zip(one, other, strict=True)
    )


@some
@given(many=st.lists(blocks(), max_size=3))
def test_what_is_written_is_read(many: list[Block]) -> None:
    with folder() as here:
        totals = write(here / "a.tar", many)
        header, found, counted = read(here / "a.tar")
        assert (header, counted) == (HEADER, totals)
        assert same(found, many)
        assert [path.name for path in here.iterdir()] == ["a.tar"]


@some
@given(many=st.lists(blocks(), min_size=1, max_size=3), data=st.data())
def test_no_changed_byte_and_no_missing_end_goes_unnoticed(many: list[Block], data: st.DataObject) -> None:
    with folder() as here:
        path = here / "a.tar"
        write(path, many)
        whole = path.read_bytes()
        end = len(whole) - 2 * tarfile.BLOCKSIZE  # what comes after the last member says nothing
        at = data.draw(st.integers(0, end - 1))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
        # A tar's own fields of a member (its time, its mode) may change without a word of ours being touched.
        try:
            _, found, totals = read(path)
        except BadArchive:
            pass
        else:
            assert same(found, many)
            assert totals.templates == sum(len(block.vectors) for block in many)
        path.write_bytes(whole[: data.draw(st.integers(0, end - tarfile.BLOCKSIZE))])
        with pytest.raises(BadArchive):
            read(path)


@some
@given(many=st.lists(blocks(), min_size=1, max_size=3), data=st.data())
def test_cut_anywhere_it_goes_on_and_ends_the_same(many: list[Block], data: st.DataObject) -> None:
    with folder() as here:
        write(here / "whole.tar", many)
        whole = (here / "whole.tar").read_bytes()
        (here / "a.tar.part").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        with Writer(here / "a.tar", HEADER) as writer:
            assert (writer.last is None) == (writer.totals.blocks == 0)
            if writer.last is not None:
                assert writer.last == many[writer.totals.blocks - 1].subjects[-1][0]
            for block in many[writer.totals.blocks :]:
                writer.block(block)
            writer.finish()
        assert (here / "a.tar").read_bytes() == whole


def test_a_part_of_another_state_is_written_over(tmp_path: Path) -> None:
    block = Block([({"public_id": "a"}, [])], np.zeros((0, 2, WIDTH), np.float32))
    with Writer(tmp_path / "a.tar", HEADER) as writer:
        writer.block(block)
    other = Header(FORMAT, "default", "fake-1", WIDTH, "8 1 2 3")
    with Writer(tmp_path / "a.tar", other) as writer:
        assert writer.totals.blocks == 0
        writer.finish()
    header, found, _ = read(tmp_path / "a.tar")
    assert (header, found) == (other, [])


def test_any_tool_reads_it_and_only_the_owner_may(tmp_path: Path) -> None:
    vectors = np.arange(2 * WIDTH, dtype=np.float32).reshape(1, 2, WIDTH)
    write(tmp_path / "a.tar", [Block([({"public_id": "ada"}, [{"public_id": "t"}])], vectors)])
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["collection.json", "000001.jsonl", "000001.npy", "end.json"]
        tar.extractall(tmp_path / "out", filter="data")
    lines = [json.loads(line) for line in (tmp_path / "out" / "000001.jsonl").read_text().splitlines()]
    assert lines[1:] == [{"subject": {"public_id": "ada"}}, {"template": {"public_id": "t"}}]
    assert np.array_equal(np.load(tmp_path / "out" / "000001.npy", allow_pickle=False), vectors)


@pytest.mark.parametrize("content", [b"", b"no tar", bytes(4096), b"\x80" * 600])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(BadArchive):
        read(tmp_path / "a.tar")


def test_another_format_is_named(tmp_path: Path) -> None:
    path: Any = tmp_path / "a.tar"
    with Writer(path, Header(99, "default", None, 0, "")) as writer:
        writer.finish()
    with pytest.raises(BadArchive, match="format 99"):
        read(path)
