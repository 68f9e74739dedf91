"""The models that ship: whole, within their size, and giving the vectors they gave when they were made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.face.weights import SHIPPED, ModelCard, load_part, read_card
from app.settings import Settings
from training.golden import golden, golden_grown, shipped_conversions, shipped_extractors

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
GROWN = json.loads((Path(__file__).parent / "golden_grown.json").read_text(encoding="utf-8"))
CARDS = shipped_extractors()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
class TestShipped:
    def test_every_part_loads_and_its_hash_is_the_cards(self, card: ModelCard) -> None:
        for kind in card.parts:
            load_part(card, kind)

    def test_the_extractor_is_within_five_megabytes(self, card: ModelCard) -> None:
        assert card.folder is not None
        assert (card.folder / str(card.parts["extractor"].file)).stat().st_size <= 5_000_000

    @pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
    @pytest.mark.parametrize("runtime", ["torch", "openvino"])
    def test_vectors_are_the_golden_ones(self, card: ModelCard, runtime: str) -> None:
        was, now = np.array(GOLDEN[card.model_id]), np.array(golden(card, runtime))  # type: ignore[arg-type]
        assert was @ now / np.linalg.norm(was) / np.linalg.norm(now) >= 0.9999

    def test_the_card_says_what_people_need_to_know(self, card: ModelCard) -> None:
        assert card.teachers
        assert card.training_data
        assert card.limits
        assert card.licence
        assert card.split_hashes
        assert card.thresholds.rows[-1][0] <= 1e-5


def test_the_default_model_ships() -> None:
    assert Settings.model_fields["extractor"].default in {card.name for card in CARDS}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_children_are_converted_as_when_the_conversion_was_made(runtime: str) -> None:
    for card, extractor in shipped_conversions():
        was, now = np.array(GROWN[card.model_id]), np.array(golden_grown(card, extractor, runtime))  # type: ignore[arg-type]
        assert was @ now / np.linalg.norm(was) / np.linalg.norm(now) >= 0.9999


def test_nothing_in_the_weights_folder_is_without_a_card() -> None:
    for file in SHIPPED.glob("*/*.safetensors"):
        assert file.name in {part.file for part in read_card(file.parent).parts.values()}


def test_what_sits_on_an_extractor_fits_one_that_ships() -> None:
    extractors = {card.extractor for card in CARDS}
    for folder in SHIPPED.iterdir():
        card = read_card(folder)
        assert card.fits in {"", *extractors}
        for kind in card.parts:
            load_part(card, kind)
