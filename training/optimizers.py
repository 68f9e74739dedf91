"""One optimizer for a whole network: Muon where a weight is a matrix or a bank of filters, AdamW elsewhere.

Muon (Jordan et al. 2024) makes each step's singular values equal. Inputs of early convolutions are smooth, so
plain gradients hardly move the fine part of a filter; measured on the block stage, it falls in half the steps
that AdamW takes.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from training.precision import halves_pay

OTHERS: Final = 0.25
"""AdamW's rate as a fraction of Muon's."""


class FullMuon(torch.optim.Muon):
    """torch's Muon with its Newton-Schulz iteration in the gradient's own precision.

    torch's is in bfloat16, which a processor that only imitates it takes a hundred times as long for.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                mean = state.setdefault("momentum_buffer", torch.zeros_like(weight.grad))
                mean.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(mean, group["momentum"]) if group["nesterov"] else mean
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                level = 0.2 * max(weight.shape) ** 0.5  # "match_rms_adamw"
                weight.add_(orthogonal(update, group["ns_coefficients"], group["ns_steps"]), alpha=-level * group["lr"])
        return loss


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """A matrix [n, m] with the singular vectors of ``matrix`` and singular values near one (quintic Newton-Schulz)."""
    a, b, c = coefficients
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class MatrixOptimizer:
    """``matrices`` gives the modules whose weights Muon moves; all other parameters of ``network`` are AdamW's.

    Filters [c, i, k, k] count as matrices [c, i k k]. ``rate`` is in AdamW's units (Muon's step is scaled to match).
    """

    def __init__(self, network: nn.Module, matrices: nn.Module, rate: float, decay: float = 0.0) -> None:
        chosen = [p for p in matrices.parameters() if p.ndim in (2, 4)]
        self._weights = [p for p in chosen if p.ndim == 4]
        # A view shares its weight's memory, and Muon takes matrices only.
        self._views = [nn.Parameter(p.data.view(p.shape[0], -1)) for p in self._weights]
        ids = {id(p) for p in chosen}
        muon = torch.optim.Muon if halves_pay(next(network.parameters()).device.type) else FullMuon
        others = [p for p in network.parameters() if id(p) not in ids]
        self._parts: list[tuple[torch.optim.Optimizer, float]] = [
            (
                muon(
                    [*(p for p in chosen if p.ndim == 2), *self._views],
                    lr=rate,
                    weight_decay=decay,
                    adjust_lr_fn="match_rms_adamw",
                ),
                rate,
            ),
            (torch.optim.AdamW(others, OTHERS * rate, betas=(0.9, 0.99), weight_decay=decay), OTHERS * rate),
        ]
        self._network = network

    def at(self, fraction: float) -> None:
        """Set every rate to ``fraction`` of its own."""
        for optimizer, rate in self._parts:
            for group in optimizer.param_groups:
                group["lr"] = fraction * rate

    def step(self) -> None:
        """Move the weights by their gradients, which are then forgotten."""
        for weight, view in zip(self._weights, self._views, strict=True):
            view.grad = None if weight.grad is None else weight.grad.reshape(view.shape)
        for optimizer, _ in self._parts:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._network.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [optimizer.state_dict() for optimizer, _ in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for (optimizer, _), saved in zip(self._parts, state["parts"], strict=True):
            optimizer.load_state_dict(saved)
