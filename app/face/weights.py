"""Model cards: what a set of weights is, proved by its hash before it is loaded.

A folder holds ``card.json`` and the safetensors files it names. One card covers an extractor and what belongs
to it (frontalizer, pose head, landmark refiner), so that one model id names vectors that may meet. An estimator
of attributes has a card of its own: its ``kind`` is the attribute's name, its part is ``estimator``; that of age may
hold a ``conversion`` of children besides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file
from torch import Tensor, nn

from app.errors import WeightsError
from app.face.architectures import build
from app.face.thresholds import ThresholdTable

CARD: Final = "card.json"

KINDS: Final = ("extractor", "frontalizer", "pose", "landmarks", "estimator", "entry", "conversion")

SHIPPED: Final = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class Part:
    """One network: its ``architecture`` with ``kwargs``, and its ``file`` with ``sha256``.

    ``file`` is None where a package carries the weights; ``sha256`` then is that of the package's file.
    """

    architecture: str
    kwargs: Mapping[str, Any]
    file: str | None
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """``mean`` and ``std`` are of pixels 0-255, one value or three; crops are RGB, ``input_size`` pixels a side.

    ``thresholds`` are of single comparisons; ``search_thresholds`` of searches judged against each face's crowd
    (``app.service.contrast``), without rows where that was not measured.
    ``fits``: the ``extractor`` on whose feature maps an estimator sits, empty where it sits on none.
    ``calibration``: numbers that turn its output into an answer, in the estimator's own words.
    """

    name: str
    kind: str
    parts: Mapping[str, Part]
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    colour: str
    width: int
    thresholds: ThresholdTable
    training_data: tuple[Any, ...]
    split_hashes: Mapping[str, str]
    teachers: tuple[Any, ...]
    metrics: tuple[Any, ...]
    limits: str
    licence: str
    digest: str
    fits: str = ""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    search_thresholds: ThresholdTable = field(default_factory=ThresholdTable)
    folder: Path | None = field(default=None, compare=False)

    @property
    def model_id(self) -> str:
        """Vectors of two model ids never meet."""
        return f"{self.name}-{self.digest[:8]}"

    @property
    def extractor(self) -> str:
        """Names E alone: cards that share it differ in G, and their raw embeddings may be frontalized again."""
        part = self.parts["extractor"]
        return f"{part.architecture}-{part.sha256[:8]}"


def card_digest(raw: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal, of the card's canonical JSON: the same whatever its layout or order of keys."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def card_of(raw: Mapping[str, Any], folder: Path | None = None) -> ModelCard:
    """The card that a JSON object describes. Raises ``WeightsError`` where a field is missing or ill-formed."""
    try:
        parts = {
            kind: Part(part["architecture"], part.get("kwargs", {}), part.get("file"), part["sha256"])
            for kind, part in raw["parts"].items()
        }
        unknown = set(parts) - set(KINDS)
        if unknown:
            raise ValueError(f"no such part: {sorted(unknown)}")
        return ModelCard(
            name=str(raw["name"]),
            kind=str(raw["kind"]),
            parts=parts,
            input_size=int(raw["input_size"]),
            mean=tuple(float(v) for v in raw["mean"]),
            std=tuple(float(v) for v in raw["std"]),
            colour=str(raw.get("colour", "RGB")),
            width=int(raw["width"]),
            thresholds=ThresholdTable.of(raw["thresholds"]),
            training_data=tuple(raw.get("training_data", ())),
            split_hashes=dict(raw.get("split_hashes", {})),
            teachers=tuple(raw.get("teachers", ())),
            metrics=tuple(raw.get("metrics", ())),
            limits=str(raw.get("limits", "")),
            licence=str(raw["licence"]),
            digest=card_digest(raw),
            fits=str(raw.get("fits", "")),
            calibration=dict(raw.get("calibration", {})),
            search_thresholds=ThresholdTable.of(raw.get("search_thresholds", ())),
            folder=folder,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as flaw:
        raise WeightsError(f"the card{f' in {folder.name}' if folder else ''} is ill-formed: {flaw!r}") from flaw


def read_card(folder: Path) -> ModelCard:
    """Raises ``WeightsError``."""
    try:
        raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as flaw:
        raise WeightsError(f"{folder.name} has no readable {CARD}") from flaw
    return card_of(raw, folder)


def write_card(folder: Path, raw: Mapping[str, Any]) -> ModelCard:
    """Write ``raw`` as ``folder/card.json``, with the SHA-256 of each part's file filled in. Atomic.

    Raises ``WeightsError`` where a file is missing or the card would be ill-formed; nothing is written then.
    """
    parts = {}
    for kind, part in raw["parts"].items():
        digest = part.get("sha256") if part.get("file") is None else file_digest(folder / part["file"])
        parts[kind] = {**part, "sha256": digest}
    whole = {**raw, "parts": parts}
    card = card_of(whole, folder)
    partial = folder / f"{CARD}.part"
    partial.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(folder / CARD)
    return card


def find_card(model: str, folders: Iterable[Path]) -> ModelCard:
    """The card whose model id or name is ``model`` among the folders within ``folders``, the first that fits.

    Raises ``WeightsError`` that names what is there.
    """
    seen = []
    for place in folders:
        for path in sorted(place.glob(f"*/{CARD}")):
            card = read_card(path.parent)
            if model in (card.model_id, card.name):
                return card
            seen.append(card.model_id)
    raise WeightsError(f"no model {model!r}; there are: {', '.join(seen) or 'none'}", model=model)


def completed(card: ModelCard, by: ModelCard) -> ModelCard:
    """``card`` with the parts of ``by`` that it lacks, its digest then that of both.

    Vectors depend on those parts too, so the model id changes with them. The weights stay in ``by.folder``.
    """
    lacking = {kind: part for kind, part in by.parts.items() if kind not in card.parts}
    if not lacking:
        return card
    return replace(shaped_by(card, by), parts={**card.parts, **lacking})


def shaped_by(card: ModelCard, by: ModelCard) -> ModelCard:
    """``card`` under another digest, that of both: the network of ``by`` has a say in its vectors."""
    return replace(card, digest=hashlib.sha256(f"{card.digest}{by.digest}".encode()).hexdigest())


def load_part(card: ModelCard, kind: str) -> nn.Module:
    """The network of one part with its weights in float32, in evaluation mode.

    Raises ``WeightsError`` when the file's hash is not the card's, before anything of it is used.
    """
    part = card.parts.get(kind)
    if part is None:
        raise WeightsError(f"{card.name} has no {kind}")
    if part.file is None or card.folder is None:
        raise WeightsError(f"the {kind} of {card.name} has no file of its own")
    state = verified(card.folder / part.file, part.sha256)
    network = build(part.architecture, part.kwargs)
    try:
        network.load_state_dict(state)  # copies float16 into float32
    except RuntimeError as misfit:
        raise WeightsError(f"{part.file} does not fit {part.architecture}") from misfit
    return network.eval().requires_grad_(False)


def verified(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises ``WeightsError`` unless its hash is ``sha256``."""
    if file_digest(path) != sha256:
        raise WeightsError(f"{path.name} was altered: its SHA-256 is not the card's", file=path.name)
    return load_file(path)


def file_digest(path: Path) -> str:
    """SHA-256, hexadecimal. Raises ``WeightsError`` when the file is missing."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as missing:
        raise WeightsError(f"{path.name} is missing", file=path.name) from missing
