"""Pictures to faces: the whole pipeline, batched over faces and pictures.

Thread safe, and a function: the same bytes and weights give the same faces, whatever the batch (to 1e-5).
Each call works on the thread that makes it; ``threads`` of ``Engine.load`` says how many may call at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.errors import WeightsError
from app.face.align import CROP_SIZE, TEMPLATE, align, similarity, warp
from app.face.attributes import Estimators, Look, Place, find_estimators
from app.face.cascade import DetectorSettings
from app.face.detect import Detector, looked_at_size
from app.face.extract import Extractor, load_extractor, onnx_card, packaged_card, recut, unit
from app.face.faces import Attributes, Detection, Face, Occlusion, Picture, Pose, Spectrum
from app.face.grown import Grower, load_grower
from app.face.occlusion import Stricter, Unmasker, load_unmasker, tap_of
from app.face.pose import pose_from_points
from app.face.quality import quality_of
from app.face.refine import LANDMARKS, LandmarkRefiner, Refined, refiner_of
from app.face.runtime import FromPixels, Runtime, run_with
from app.face.spectrum import Asked, Networks, find_infrared, load_infrared, rows_by_spectrum
from app.face.thresholds import ThresholdTable
from app.face.weights import SHIPPED, ModelCard, completed, find_card, load_part, read_card, shaped_by

Frontalize = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""G: unit embeddings [n, width] to unit embeddings [n, width]."""

EstimatePose = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Aligned crops uint8 [n, 112, 112, 3] to yaw, pitch, roll [n, 3] in degrees."""

PACKAGED: Final = "packaged"


class Engine:
    """``model_id`` names everything that shapes a vector, ``extractor`` E alone; see ``app.face.weights``.

    ``attributes`` are those that estimators are there for; see ``app.face.attributes``.
    """

    def __init__(
        self,
        detector: Detector,
        extractor: Extractor,
        frontalizer: Frontalize | None,
        pose: EstimatePose | None,
        refiner: LandmarkRefiner | None,
        card: ModelCard,
        runtime: str = "torch",
        estimators: Estimators | None = None,
        unmasker: Unmasker | None = None,
        grower: Grower | None = None,
        infrared: Callable[[], Extractor] | None = None,
    ) -> None:
        self._detector, self._extractor, self._refiner = detector, extractor, refiner
        self._frontalizer, self._pose = frontalizer, pose
        self._networks = Networks(extractor, infrared)
        self._unmasker, self._grower = unmasker, grower
        self.stricter = unmasker.stricter if unmasker else Stricter()
        self._estimators = estimators or Estimators({}, Place())
        self.attributes = self._estimators.names
        self.card, self.runtime = card, runtime
        self.model_id, self.extractor, self.width = card.model_id, card.extractor, extractor.width
        self.detector, self.settings = detector.name, detector.settings
        self.crop_shape = (extractor.size, extractor.size, 3)
        self.thresholds: ThresholdTable = card.thresholds
        self.search_thresholds: ThresholdTable = card.search_thresholds

    @classmethod
    def load(
        cls,
        cache: Path,
        model: str | Path = PACKAGED,
        weights: Sequence[Path] = (),
        runtime: Runtime = "openvino",
        threads: int = 1,
        device: str = "cpu",
        detector: DetectorSettings | None = None,
    ) -> Engine:
        """The engine of one model. ``cache`` is a folder of ours for what is converted once.

        ``model``: the model id or name of a card in ``weights`` or among those shipped, ``packaged`` for the
        public-domain extractor, or the path of an operator's ONNX file. On a ``device`` other than cpu
        everything runs by torch. Raises ``WeightsError``; nothing falls back in silence.
        """
        if device != "cpu":
            runtime = "torch"
            if not torch.cuda.is_available():
                raise WeightsError(f"{device} was asked for, and torch finds no GPU", device=device)
        card = _card(model, weights)
        frontalizer = load_part(card, "frontalizer") if "frontalizer" in card.parts else None
        pose = load_part(card, "pose") if "pose" in card.parts else None
        looker = card if "landmarks" in card.parts else read_card(SHIPPED / LANDMARKS)
        shape = (1, CROP_SIZE, CROP_SIZE, 3)
        place = Place(runtime, threads, device)
        cards = find_estimators(card.extractor, [*weights, SHIPPED])
        covers, age = cards.get("occlusion"), cards.get("age")
        extractor = load_extractor(card, runtime, threads, device, tap_of(covers))
        grower = load_grower(age) if age else None
        dark = find_infrared(card.extractor, [*weights, SHIPPED])
        whole = completed(card, looker)
        for shaper in (covers, age if grower else None):
            whole = shaped_by(whole, shaper) if shaper else whole
        return cls(
            Detector.load(cache, detector, runtime, threads, device),
            extractor,
            _over_arrays(frontalizer) if frontalizer else None,
            run_with(runtime, FromPixels(pose, card.mean, card.std), shape, threads, device) if pose else None,
            refiner_of(looker, runtime, threads, device),
            whole,
            runtime if device == "cpu" else f"torch {device}",
            Estimators(cards, place),
            load_unmasker(covers, place) if covers else None,
            grower,
            partial(load_infrared, dark, card, runtime, threads, device) if dark else None,
        )

    def pictures(
        self,
        images: Sequence[NDArray[np.uint8]],
        attributes: frozenset[str] = frozenset(),
        spectrum: Asked = "visible",
    ) -> list[Picture]:
        """The faces of each image uint8 [h, w, 3] RGB, largest first, with the estimators' ``attributes`` asked for.

        ``spectrum`` says what the pictures were taken in; ``auto`` decides for each face. Milliseconds by stage are
        those of the whole call divided by its images. Raises ``AttributeUnavailable``, ``SpectrumUnavailable``.
        """
        self._estimators.require(attributes)
        clock = _Clock()
        found = [
            (at, face) for at, faces in enumerate(self._detector.detect(images)) for face in faces if _spread(face)
        ]
        clock.lap("detect")
        poses: list[Pose] | None = None
        if self._refiner:
            refined = self._refiner.refine([(images[at], face) for at, face in found])
            found = [(at, _moved(face, better)) for (at, face), better in zip(found, refined, strict=True)]
            poses = [better.pose for better in refined]
            clock.lap("refine")
        crops = [align(images[at], face.landmarks) for at, face in found]
        chips = crops if self._standard() else [self._chip(images[at], face) for at, face in found]
        spectra = self._networks.spectra(spectrum, crops)
        clock.lap("align")
        qualities = [quality_of(crop, face.landmarks) for crop, (_, face) in zip(crops, found, strict=True)]
        clock.lap("quality")
        if self._pose and crops:
            angles = np.concatenate([self._pose(crop[None]) for crop in crops])
            poses = [Pose(float(yaw), float(pitch), float(roll)) for yaw, pitch, roll in angles]
        poses = poses or [pose_from_points(face.landmarks) for _, face in found]
        clock.lap("pose")
        embeddings, covers, maps = self._seen(_stacked(chips, self._extractor.size), spectra)
        clock.lap("extract")
        frontal = self.frontalize(embeddings)
        clock.lap("frontalize")
        said = [Attributes() for _ in found]
        if attributes:
            looks = [
                Look(images[at], face, crop, None if maps is None else maps[row], cover)
                for row, ((at, face), crop, cover) in enumerate(zip(found, crops, covers, strict=True))
            ]
            said = self._estimators.add(attributes, said, looks)
            clock.lap("attributes")
        timings = {stage: spent / max(1, len(images)) for stage, spent in clock.spent.items()}
        out: list[list[Face]] = [[] for _ in images]
        for (at, face), *rest in zip(found, poses, qualities, embeddings, frontal, said, covers, spectra, strict=True):
            out[at].append(Face(face, *rest))
        limit = self._detector.settings.max_side
        return [
            Picture(tuple(faces), (image.shape[1], image.shape[0]), looked_at_size(image, limit), dict(timings))
            for faces, image in zip(out, images, strict=True)
        ]

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Only where the faces are."""
        return self._detector.detect(images)

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings [n, width] of crops [n, *crop_shape] in the extractor's own geometry."""
        return self._see(chips, self._extractor)[0]

    def frontalize(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """``G`` of raw embeddings [n, width], unit length; they themselves where the model has no G."""
        return self._frontalizer(embeddings) if self._frontalizer and len(embeddings) else embeddings

    def embed_crops(self, crops: NDArray[np.uint8], margin: float = 0.0) -> NDArray[np.float32]:
        """Raw embeddings [n, width] of standard crops [n, s, s, 3] that show ``margin`` more on each side."""
        return self.embed(recut(crops, margin, self._extractor))

    def _seen(
        self, chips: NDArray[np.uint8], spectra: Sequence[Spectrum]
    ) -> tuple[NDArray[np.float32], Sequence[Occlusion | None], NDArray[np.float32] | None]:
        """What ``_see`` says, each row by the network of its spectrum."""
        groups = rows_by_spectrum(spectra)
        parts = [(rows, *self._see(chips[rows], self._networks.network(kind))) for kind, rows in groups.items()]
        back = np.argsort(np.concatenate([rows for rows, *_ in parts]))
        covers = [one for _, _, own, _ in parts for one in own]
        maps = [own for *_, own in parts if own is not None]
        return (
            np.concatenate([own for _, own, *_ in parts])[back],
            [covers[row] for row in back.tolist()],
            np.concatenate(maps)[back] if len(maps) == len(parts) else None,
        )

    def _see(
        self, chips: NDArray[np.uint8], network: Extractor
    ) -> tuple[NDArray[np.float32], Sequence[Occlusion | None], NDArray[np.float32] | None]:
        """Embeddings of what is not covered, and what is, as far as the model knows; the last maps.

        Children are embedded as grown up where nothing covers them.
        """
        # What was trained on the maps of the extractor is for these: another network's mean other things.
        if network is not self._extractor or not len(chips):
            embeddings, last = network.look(chips)
            return embeddings, [None] * len(chips), last
        embeddings, *maps = network.stages(chips)
        if self._grower:
            embeddings = self._grower.grow(embeddings, maps[0])
        if self._unmasker is None:
            return embeddings, [None] * len(chips), maps[0] if maps else None
        embeddings, covers = self._unmasker.see(embeddings, maps[1])
        return embeddings, covers, maps[0]

    def _standard(self) -> bool:
        return self._extractor.size == CROP_SIZE and bool(np.allclose(self._extractor.template, TEMPLATE))

    def _chip(self, image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
        return warp(image, similarity(face.landmarks, self._extractor.template), self._extractor.size)


def _card(model: str | Path, weights: Sequence[Path]) -> ModelCard:
    if Path(model).suffix == ".onnx":
        return onnx_card(Path(model))
    try:
        return find_card(str(model), [*weights, SHIPPED])
    except WeightsError:
        if model == PACKAGED:
            return packaged_card()
        raise


def _over_arrays(network: torch.nn.Module) -> Frontalize:
    def frontalize(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            # One by one, as a sum's rounding may change with the size of a batch.
            rows = [network(row[None]) for row in torch.from_numpy(np.ascontiguousarray(embeddings))]
            return unit(torch.cat(rows).numpy())

    return frontalize


def _spread(face: Detection) -> bool:
    """Whether the points span anything: without that there is no crop."""
    return bool(np.asarray(face.landmarks, np.float64).std(axis=0).max() > 1e-3)


def _moved(face: Detection, better: Refined) -> Detection:
    return replace(face, landmarks=better.landmarks)


def _stacked(chips: Sequence[NDArray[np.uint8]], size: int) -> NDArray[np.uint8]:
    return np.stack(chips) if chips else np.empty((0, size, size, 3), np.uint8)


class _Clock:
    """Milliseconds since the lap before, by name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.spent[stage] = (now - self._last) * 1e3
        self._last = now
