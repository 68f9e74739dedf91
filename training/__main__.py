"""The shipped model from public data, in one command:

    python -m training --data DIR --labels DIR --teachers DIR --work DIR [--name fast]

``DIR/<set>`` holds pictures, ``labels/<set>.tsv.xz`` their landmarks, ``teachers/`` ``edgeface_xs.onnx``. Every step
leaves alone what is finished and goes on where it was interrupted: crops, what the teacher says of them and who must
be kept out, E, then G, thresholds and card. Hours on two cores, minutes on a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from training import export, recognition
from training.data import leaks, prepare
from training.data.leaks import TEST_SETS, TRAINING_SETS

CARDS = Path(__file__).parent / "cards"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for crops, embeddings and the run")
    parser.add_argument("--templates", help="pictures of face masks with masks.cfg: more kinds of covers")
    parser.add_argument("--landmarks", default="app/weights/landmarks-profile")
    parser.add_argument("--name", default="fast")
    parser.add_argument("--out", default="app/weights")
    args = parser.parse_args(argv)
    crops, cache, left_out, run = (str(args.work / part) for part in ("crops", "embeddings", "left_out", args.name))
    edgeface = str(args.teachers / "edgeface_xs.onnx")
    everyone = list(dict.fromkeys([*TRAINING_SETS, *TEST_SETS]))
    prepare.main([*everyone, "--data", args.data, "--labels", args.labels, "--out", crops])
    leaks.main(["--data", args.data, "--crops", crops, "--extractor", edgeface, "--cache", cache, "--out", left_out])
    shared = ["--crops", crops, "--leave-out", left_out, "--targets", cache]
    config = str(CARDS / f"{args.name}.config.json")
    masks = ["--templates", args.templates] if args.templates else []
    recognition.main([config, *shared, "--labels", args.labels, *masks, "--teacher", edgeface, "--out", run])
    model = ["--name", args.name, "--facts", str(CARDS / f"{args.name}.json"), "--landmarks", args.landmarks]
    export.main(["--run", run, *model, *shared, "--out", args.out])


if __name__ == "__main__":
    main()
