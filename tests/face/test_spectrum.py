from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import SpectrumUnavailable
from app.face.engine import Engine
from app.face.nets.edgenext import EdgeNeXt
from app.face.spectrum import Networks, find_infrared, load_infrared, rows_by_spectrum
from app.face.weights import SHIPPED, ModelCard, find_card, load_part, write_card
from training.export import save_weights
from training.spectra import entry_like, entry_shape


class Flat:
    """An extractor that answers its own number."""

    size, width, template = 112, 1, np.zeros((5, 2))

    def __init__(self, number: float) -> None:
        self.number = number

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(crops), 1), self.number, np.float32)

    def look(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        return self.embed(crops), None

    def stages(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        return (self.embed(crops),)


COLOUR = np.full((112, 112, 3), (200, 150, 120), np.uint8)
GREY = np.full((112, 112, 3), 120, np.uint8)


@given(st.lists(st.sampled_from(["visible", "infrared"])))
def test_every_row_belongs_to_one_spectrum(spectra: Sequence[Any]) -> None:
    groups = rows_by_spectrum(spectra)
    assert sorted(row for rows in groups.values() for row in rows.tolist()) == list(range(len(spectra)))
    assert all(spectra[row] == kind for kind, rows in groups.items() for row in rows)


def test_without_an_infrared_network_all_is_visible_and_infrared_is_refused() -> None:
    networks = Networks(Flat(0))
    assert networks.spectra("auto", [GREY, COLOUR]) == ["visible", "visible"]
    with pytest.raises(SpectrumUnavailable):
        networks.spectra("infrared", [COLOUR])
    with pytest.raises(SpectrumUnavailable):
        networks.network("infrared")


def test_the_infrared_network_is_loaded_once_and_only_when_a_face_needs_it() -> None:
    loaded = []
    networks = Networks(Flat(0), lambda: loaded.append(1) or Flat(1))
    assert networks.spectra("auto", [GREY, COLOUR]) == ["infrared", "visible"]
    assert networks.network("visible").embed(COLOUR[None])[0, 0] == 0
    assert loaded == []
    threads = [Thread(target=networks.network, args=("infrared",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert networks.network("infrared").embed(GREY[None])[0, 0] == 1
    assert loaded == [1]


@pytest.fixture(scope="module")
def fast() -> ModelCard:
    return find_card("fast", [SHIPPED])


@pytest.fixture(scope="module")
def folder(fast: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an infrared card whose entry is E's own: both networks then say the same."""
    place = tmp_path_factory.mktemp("weights")
    visible = load_part(fast, "extractor")
    assert isinstance(visible, EdgeNeXt)
    entry = entry_like(visible)
    entry.start_at(visible)
    save_weights(entry.state_dict(), place / "dark" / "entry.safetensors")
    part = {"architecture": "infrared_entry", "kwargs": entry_shape(visible), "file": "entry.safetensors"}
    facts = {"input_size": 112, "mean": [0], "std": [1], "width": 192, "thresholds": [], "licence": "CC0-1.0"}
    write_card(
        place / "dark", {"name": "dark", "kind": "infrared", "fits": fast.extractor, "parts": {"entry": part}, **facts}
    )
    return place


def test_a_card_is_found_for_its_extractor_alone(fast: ModelCard, folder: Path) -> None:
    found = find_infrared(fast.extractor, [folder])
    assert found is not None
    assert found.name == "dark"
    assert find_infrared("edgenext-00000000", [folder]) is None


@pytest.mark.slow
def test_an_entry_that_is_the_visible_one_embeds_as_the_visible_network(
    fast: ModelCard, folder: Path, cache: Path, astronaut: NDArray[np.uint8]
) -> None:
    card = find_infrared(fast.extractor, [folder])
    assert card is not None
    dark = load_infrared(card, fast)
    engine = Engine.load(cache, "fast", [folder])
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    assert np.allclose(dark.embed(crops), load_infrared(card, fast, "torch").embed(crops), atol=1e-4)
    grey = np.repeat(astronaut.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    seen = {
        asked: engine.pictures([astronaut, grey], spectrum=asked)  # type: ignore[arg-type]
        for asked in ("visible", "infrared", "auto")
    }
    assert [one.faces[0].spectrum for one in seen["auto"]] == ["visible", "infrared"]
    assert {one.faces[0].spectrum for one in seen["infrared"]} == {"infrared"}
    for here, there in zip(seen["visible"], seen["auto"], strict=True):
        assert np.allclose(here.faces[0].frontalized, there.faces[0].frontalized, atol=1e-4)
