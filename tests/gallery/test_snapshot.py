from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from app.errors import GalleryError
from app.gallery.faiss import FaissGallery
from app.gallery.snapshot import fingerprint
from app.gallery.tiers import Tiers
from tests.gallery.model import random_units

WIDTH = 16
SMALL = Tiers(exact_below=32, seal_at=32, largest=512)
NONE = np.zeros(0, np.int64)


def filled() -> FaissGallery:
    gallery = FaissGallery(WIDTH, SMALL)
    gallery.add(1, np.arange(200), np.arange(200) // 3, random_units(1, 200, WIDTH))
    gallery.add(1, np.arange(300, 320), np.arange(20), random_units(2, 20, WIDTH))
    gallery.add(2, np.arange(5), np.arange(5), random_units(3, 5, WIDTH))
    gallery.remove(1, np.array([3, 7, 301]))
    gallery.settle()
    return gallery


def test_a_restored_gallery_answers_the_same(tmp_path: Path) -> None:
    gallery, again = filled(), FaissGallery(WIDTH, SMALL)
    gallery.save(tmp_path / "snapshot", 42)
    assert again.restore(tmp_path / "snapshot") == 42
    probes = random_units(4, 30, WIDTH)
    for collection in (1, 2):
        assert again.count(collection) == gallery.count(collection)
        assert again.fingerprint(collection) == gallery.fingerprint(collection)
        assert again.search(collection, probes, 50) == gallery.search(collection, probes, 50)
    again.add(1, np.array([3]), np.array([77]), probes[:1])
    assert again.search(1, probes[:1], 1)[0][0].subject == 77
    assert again.remove(1, np.arange(400)) == gallery.count(1) + 1


def test_vectors_and_codes_of_the_removed_are_not_written(tmp_path: Path) -> None:
    gallery = FaissGallery(WIDTH, Tiers(exact_below=32, seal_at=32, largest=4096))
    vectors = random_units(5, 300, WIDTH)
    gallery.add(1, np.arange(300), np.arange(300), vectors)
    gallery.save(tmp_path / "before", 1)
    gallery.remove(1, np.array([123]))
    gallery.save(tmp_path / "after", 2)
    secret = vectors[123].astype(np.float16).tobytes()
    assert secret in (tmp_path / "before").read_bytes()
    assert secret not in (tmp_path / "after").read_bytes()
    again = FaissGallery(WIDTH, SMALL)
    again.restore(tmp_path / "after")
    codes = again._partitions[1].state.segments[0].codes
    packer = codes.get_CodePacker()
    blocks = faiss.vector_to_array(codes.codes).reshape(-1, packer.block_size)
    assert not packer.unpack_1(blocks[123 // packer.nvec :], 123 % packer.nvec).any()
    assert packer.unpack_1(blocks[124 // packer.nvec :], 124 % packer.nvec).any()
    others = [hits[0].subject for hits in again.search(1, vectors, 1)]
    assert others[:123] + others[124:] == [*range(123), *range(124, 300)]


@pytest.mark.parametrize("damage", ["missing", "empty", "short", "one bit", "other width", "half written"])
def test_what_cannot_be_trusted_is_not_read(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "snapshot"
    filled().save(path, 42)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "short":
        path.write_bytes(whole[:-1])
    elif damage == "one bit":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif damage == "half written":
        path.rename(tmp_path / "snapshot.new")
    gallery = FaissGallery(WIDTH + (damage == "other width"), SMALL)
    assert gallery.restore(path) is None
    assert gallery.count(1) == 0


def test_a_snapshot_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    filled().save(path, 1)
    (tmp_path / "snapshot.new").mkdir()
    with pytest.raises(GalleryError):
        filled().save(path, 2)
    assert FaissGallery(WIDTH, SMALL).restore(path) == 1


def test_fingerprints_add_up_and_tell_sets_apart() -> None:
    a, b = np.arange(10), np.arange(10) % 3
    assert fingerprint(a[::-1], b[::-1]) == fingerprint(a, b)
    assert (fingerprint(a[:4], b[:4]) + fingerprint(a[4:], b[4:])) % 2**64 == fingerprint(a, b)
    assert fingerprint(a, b[::-1]) != fingerprint(a, b)
    assert fingerprint(NONE, NONE) == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills its own forks")
def test_killed_at_any_moment_nothing_is_lost_and_nothing_comes_back() -> None:
    command = [sys.executable, "-m", "tests.gallery.crash", "--points", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
