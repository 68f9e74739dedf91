from __future__ import annotations

import pytest
import torch

from training.optimizers import FullMuon
from training.precision import halved


@pytest.mark.parametrize("native", [True, False])
def test_a_processor_that_only_imitates_bfloat16_is_spared_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.precision.halves", lambda runtime: native)
    with halved("cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if native else torch.float32)
    with halved("cpu", wanted=False):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_muon_in_full_precision_goes_where_torchs_goes() -> None:
    torch.manual_seed(0)
    start, wide, tall = torch.randn(6, 12), [], []
    for kind in (torch.optim.Muon, FullMuon):
        for shape, ends in (((6, 12), wide), ((12, 6), tall)):
            weight = torch.nn.Parameter(start.clone().view(shape))
            optimizer = kind([weight], lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
            for step in range(3):
                weight.grad = torch.sin(weight.detach() * (step + 1))
                optimizer.step()
            ends.append(weight.detach())
    for theirs, ours in (wide, tall):
        moved = (theirs - start.view(theirs.shape)).norm()
        assert (ours - theirs).norm() < 0.02 * moved  # what bfloat16 loses
