"""Several processes, one model: gradients are averaged after each backward pass.

Start with ``torchrun --nproc-per-node N -m training.recognition ...``; without it there is one process and
nothing here does anything. On CPUs one single-threaded process a core beats one process of many threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join() -> int:
    """Join the group that ``torchrun`` announced, if any. Answers this process's rank; 0 leads: it logs and saves."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one exchange. Missing ones count as zero."""
    if processes() == 1:
        return
    wanted = [p for p in parameters if p.requires_grad]
    gradients: list[Tensor] = [torch.zeros_like(p) if p.grad is None else p.grad for p in wanted]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= processes()
    for p, part in zip(wanted, flat.split([g.numel() for g in gradients]), strict=True):
        p.grad = part.view_as(p).clone()
