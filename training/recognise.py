"""F_reg of method B: a shipped extractor that pictures of the imitator's kind, and their gradients, go through."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from app.face.align import CROP_SIZE
from app.face.nets.facial_parameters import MARGIN, SIDE
from app.face.weights import load_part, read_card
from training.facial_losses import Recognise


def recogniser(folder: Path) -> Recognise:
    """E of the card in ``folder``, frozen: pictures [n, 3, SIDE, SIDE], (pixel - 127.5) / 64, to unit rows [n, width].

    What the crop shows beyond the standard one is cut off, the rest enlarged. Raises ``WeightsError``.
    """
    card = read_card(folder)
    network = load_part(card, "extractor").requires_grad_(False)
    mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (card.mean, card.std))
    border = round(SIDE * MARGIN / (1 + 2 * MARGIN))

    def embed(pictures: Tensor) -> Tensor:
        inner = pictures[:, :, border : SIDE - border, border : SIDE - border]
        large = F.interpolate(inner, (CROP_SIZE, CROP_SIZE), mode="bilinear", align_corners=False)
        return F.normalize(network((64 * large + 127.5 - mean) / std))

    return embed
