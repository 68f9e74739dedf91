"""Train the extractor E: block by block from a teacher, then the multi-task main branch of method A.

    python -m training.recognition CONFIG.json --crops DIR --teacher FILE.onnx --targets FILE.npy --out RUN

Stage ``blocks`` teaches every unit by itself (see ``training.blocks``). Stage ``joint`` trains the whole:
    L = L_D + h L_H + a L_I + b L_P
L_D distils the teachers' joint embedding (cosine to it, and the similarities within a batch), L_H holds each
stage's last map to the teacher's of the same pixels, L_I is the identity loss with a margin softmax C_I over
the people that are known, L_P the pose loss of C_P over yaw bins. Both classifiers sit on the embedding, as the
frontalizer needs them. Resumable: run it again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app.face.weights import SHIPPED, find_card, load_part
from training.branch import MainBranch, read_config
from training.checkpoint import Run
from training.data.covered_crops import open_covers
from training.data.store import open_store
from training.parallel import join, leave
from training.stages import train_blocks, train_joint
from training.targets import joint_targets, principal_directions
from training.teachers import Teacher, TeacherSpec, edgeface_scopes


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("config", type=Path, nargs="?")
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--leave-out", type=Path, help="folder of <set>.txt with paths of test people")
    parser.add_argument("--teacher", type=Path, required=True, help="the ONNX teacher of stage one")
    parser.add_argument("--targets", type=Path, required=True, help="folder of training.targets")
    parser.add_argument("--labels", type=Path, help="landmarks, where the config covers faces")
    parser.add_argument("--templates", type=Path, help="folder of masks.cfg and its pictures: more kinds of face masks")
    parser.add_argument("--stage", choices=["blocks", "joint", "all"], default="all")
    parser.add_argument("--start-from", help="a shipped model whose extractor is trained further (stage joint)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(argv)
    config = read_config(args.config)
    if config.covered and not args.labels:
        parser.error("a config with covered faces needs --labels")
    if config.augmentation.blend and config.teachers != (args.teacher.stem,):
        parser.error("a config that blends pictures needs --teacher alone as its teachers: who else saw the blend?")
    rank = join()
    torch.manual_seed(config.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    left_out = {
        name: (args.leave_out / f"{name}.txt").read_text(encoding="utf-8").splitlines() if args.leave_out else []
        for name in config.sets
    }
    store = open_store(args.crops, config.sets, left_out)
    branch = MainBranch(config.width, store.identities, config.margin).to(device)
    if args.start_from:
        shipped = load_part(find_card(args.start_from, [SHIPPED]), "extractor")
        branch.extractor.load_state_dict(shipped.state_dict())
    run = Run(args.out, rank)
    print(f"{len(store)} pictures, {store.identities} people, {(store.identity >= 0).sum()} with identity", flush=True)
    teacher = Teacher(TeacherSpec(args.teacher), edgeface_scopes())
    if args.stage in {"blocks", "all"}:
        done = run.load()
        if done is None or done["stage"] == "blocks":
            train_blocks(branch, store, config, teacher, run, device)
    if args.stage in {"joint", "all"}:
        wide = joint_targets(args.targets, store, config.teachers, mirrored=len(config.teachers) > 1)
        kept = args.out / "projection.npy"  # a resumed run goes on towards the same space
        if not kept.exists() and not rank:
            np.save(kept, principal_directions(wide, config.width))
        projection = np.load(kept)
        covers = open_covers(store, args.crops, args.labels, args.templates, config.covered) if config.covered else None
        train_joint(branch, store, wide, projection, config, teacher, run, device, covers)
    leave()


if __name__ == "__main__":
    main()
