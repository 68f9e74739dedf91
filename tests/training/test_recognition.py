"""The main branch: losses by oracle, and each stage overfits one small batch."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from app.face.nets.edgenext import EdgeNeXt
from training import recognition
from training.batches import Ahead, side_view_weights
from training.blocks import chained_cosine, error_weights, hint_loss, stage_ends, stage_scales, unit_losses
from training.branch import Config, MainBranch, cosine_rate, held_out, identity_loss, pixels, read_config
from training.checkpoint import Run
from training.data.augment import PLAIN, Augmentation, augment, blended
from training.data.store import CropStore
from training.losses import distillation
from training.optimizers import MatrixOptimizer
from training.stages import agreement, resume, sampling, state
from training.start import fit_heads, least_squares


def tiny(width: int = 16) -> EdgeNeXt:
    return EdgeNeXt(width, dims=(8, 16, 16, 24), depths=(1, 2, 2, 1))


def maps_of(net: EdgeNeXt, x: torch.Tensor) -> list[torch.Tensor]:
    maps = []
    with torch.no_grad():
        for unit in net.units:
            x = unit(x)
            maps.append(x)
    return maps


def test_the_shipped_size_is_within_its_bar() -> None:
    net = EdgeNeXt(192)
    assert net(torch.randn(2, 3, 112, 112)).shape == (2, 192)
    assert sum(p.numel() for p in net.parameters()) * 2 <= 5e6  # bytes in float16


def test_a_unit_that_already_agrees_costs_nothing_and_chains_to_cosine_one() -> None:
    torch.manual_seed(0)
    net, x = tiny(), torch.randn(4, 3, 112, 112)
    maps = maps_of(net, x)
    losses = unit_losses(net.units, x, maps, error_weights(x, maps))
    assert max(float(loss.detach()) for loss in losses) < 1e-9
    assert chained_cosine(net.units, x, maps[-1]) == pytest.approx(1.0, abs=1e-5)


def test_units_learn_another_network_block_by_block() -> None:
    torch.manual_seed(0)
    teacher, student, x = tiny(), tiny(), torch.randn(4, 3, 112, 112)
    raw = maps_of(teacher, x)
    maps = [m * s for m, s in zip(raw, stage_scales(raw), strict=True)]
    weights = error_weights(x, maps)
    optimizer = MatrixOptimizer(student.units, student.units, 2e-2)
    first = float(torch.stack(unit_losses(student.units, x, maps, weights)).mean().detach())
    for _ in range(40):
        loss = torch.stack(unit_losses(student.units, x, maps, weights)).mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * first


def test_hints_vanish_where_the_stages_agree_and_are_about_one_for_a_stranger() -> None:
    torch.manual_seed(0)
    net, other, x = tiny(), tiny(), torch.randn(6, 3, 112, 112)
    maps = [m.numpy() for m in maps_of(net, x)]
    last, same = hint_loss(net.units, x, maps, [1.0] * len(maps))
    assert float(same.detach()) < 1e-9
    assert torch.allclose(last, torch.from_numpy(maps[-1]))
    assert float(hint_loss(other.units, x, maps, [1.0] * len(maps))[1].detach()) > 0.5


def test_a_stage_ends_where_the_next_map_has_another_shape() -> None:
    assert stage_ends([(8, 28, 28), (8, 28, 28), (16, 14, 14), (24, 7, 7)]) == [1, 2, 3]


def test_the_optimizer_resumes_to_the_same_step() -> None:
    def stepped(net: EdgeNeXt, optimizer: MatrixOptimizer) -> torch.Tensor:
        net(torch.ones(2, 3, 112, 112)).square().mean().backward()
        optimizer.step()
        return net.embed.weight.detach().clone()

    torch.manual_seed(0)
    first = tiny()
    optimizer = MatrixOptimizer(first, first, 1e-2, decay=0.01)
    stepped(first, optimizer)
    second = tiny()
    second.load_state_dict(first.state_dict())
    resumed = MatrixOptimizer(second, second, 1e-2, decay=0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(stepped(first, optimizer), stepped(second, resumed))


def store_of(identity: list[int]) -> CropStore:
    n = len(identity)
    crops = np.random.default_rng(0).integers(0, 256, (n, 128, 128, 3), np.uint8)
    angle = np.zeros(n, np.float32)
    people = np.array(identity, np.int64)
    return CropStore((crops,), np.zeros(n, np.int32), np.arange(n), people, angle, angle, angle, ("made-up",))


def test_held_out_people_and_nameless_pictures_are_never_drawn() -> None:
    store = store_of([0, 0, 1, 1, 2, 3, -1, -1, -1])
    away = held_out(store, 2)
    assert away.tolist() == [False, False, True, True, False, True, False, True, False]
    weights = sampling(store, Config(held_out=2))
    assert weights.sum() == pytest.approx(1)
    assert not weights[away].any()


def test_agreement_is_one_where_the_target_is_what_the_network_says() -> None:
    torch.manual_seed(0)
    store, config = store_of([0, 1, -1, 1, 3]), Config(held_out=2, width=16)
    branch = MainBranch(16, people=4, margin="cosface")
    branch.extractor = tiny(16)
    with torch.no_grad():
        said = branch.extractor(pixels(np.stack([store[i][8:120, 8:120] for i in range(5)]), torch.device("cpu")))
    target = F.normalize(said).numpy()
    assert agreement(branch, store, target, config, torch.device("cpu")) == pytest.approx(1, abs=2e-3)


def test_heads_fit_before_the_first_step() -> None:
    torch.manual_seed(0)
    store = store_of([0, 0, 1, 1, 2, -1])
    branch, teacher = MainBranch(16, people=3, margin="cosface"), tiny(16)
    branch.extractor = tiny(16)
    branch.extractor.load_state_dict(teacher.state_dict())
    torch.nn.init.normal_(branch.extractor.embed.weight)
    x = pixels(np.stack([store[i][8:120, 8:120] for i in range(6)]), torch.device("cpu"))
    with torch.no_grad():
        target = F.normalize(teacher(x)).numpy()
    fit_heads(branch, store, target, np.arange(6), torch.device("cpu"))
    with torch.no_grad():
        assert float(F.cosine_similarity(branch.extractor(x), torch.from_numpy(target)).min()) > 0.98
        logits = branch.identity(torch.from_numpy(target[:5]))
    assert logits.argmax(dim=1).tolist() == [0, 0, 1, 1, 2]


@given(st.integers(0, 2**31))
def test_least_squares_finds_a_linear_map_that_is_there(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    x, weight, bias = (torch.randn(shape, generator=rng) for shape in ((50, 4), (3, 4), (3,)))
    found, offset = least_squares(x, x @ weight.T + bias, ridge=1e-9)
    assert torch.allclose(found, weight, atol=1e-4)
    assert torch.allclose(offset, bias, atol=1e-4)


def test_a_stage_starts_with_the_weights_and_measures_of_the_one_before(tmp_path: Path) -> None:
    branch = MainBranch(16, people=3, margin="cosface")
    branch.extractor = tiny(16)
    optimizer, run = MatrixOptimizer(branch, branch.extractor, 1e-2), Run(tmp_path)
    run.save(state("blocks", 7, branch, optimizer, Config(), {"scales": [2.0]}))
    assert resume(run, "blocks", branch, optimizer) == (7, {"scales": [2.0]})
    assert resume(run, "joint", branch, optimizer) == (0, {"scales": [2.0]})


def test_distillation_vanishes_on_the_target_itself() -> None:
    target = F.normalize(torch.randn(5, 8))
    loss, cosine = distillation(target, target, target, 20.0)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert float(cosine) == pytest.approx(1, abs=1e-6)


def test_the_joint_stage_overfits_one_batch() -> None:
    torch.manual_seed(0)
    branch = MainBranch(16, people=3, margin="cosface")
    branch.extractor = tiny(16)
    x, target = torch.randn(6, 3, 112, 112), F.normalize(torch.randn(6, 16))
    people = torch.tensor([0, 0, 1, 1, 2, -1])
    optimizer = torch.optim.Adam(branch.parameters(), 5e-3)
    seen = []
    for _ in range(30):
        embedding = F.normalize(branch.extractor(x))
        loss = distillation(embedding, target, target, 1.0)[0] + 0.05 * identity_loss(branch, embedding, people)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.35 * seen[0]


def test_identity_loss_is_zero_where_nobody_is_known() -> None:
    branch = MainBranch(8, people=2, margin="softmax")
    assert float(identity_loss(branch, F.normalize(torch.randn(3, 8)), torch.tensor([-1, -1, -1]))) == 0


def test_pixels_are_normalised_to_one() -> None:
    x = pixels(
        np.stack([np.zeros((112, 112, 3), np.uint8), np.full((112, 112, 3), 255, np.uint8)]), torch.device("cpu")
    )
    assert x.shape == (2, 3, 112, 112)
    assert (float(x.min()), float(x.max())) == (-1.0, 1.0)


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    rates = [cosine_rate(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 100)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)


def test_side_views_come_up_more_often_whichever_side() -> None:
    weights = side_view_weights(np.array([0, 10, -80, 80], np.float32), most=4)
    assert weights.sum() == pytest.approx(1)
    assert weights[2] == weights[3] == pytest.approx(4 * weights[0])


def test_plain_augmentation_is_the_centre_crop() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    out, mirrored = augment(crop, PLAIN, np.random.default_rng(0))
    assert not mirrored
    assert np.array_equal(out, crop[8:120, 8:120])


def test_augmentation_repeats_by_seed_and_keeps_shape() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    first, second = (augment(crop, Augmentation(), np.random.default_rng(3))[0] for _ in range(2))
    assert first.shape == (112, 112, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)


def test_mirroring_is_exact_without_jitter() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    still = Augmentation(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    out, mirrored = augment(crop, still, np.random.default_rng(0))
    assert mirrored
    assert np.array_equal(out[:, ::-1], crop[8:120, 8:120])


def test_a_squeezed_face_keeps_its_middle_and_its_height() -> None:
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[62:66, 62:66] = 255
    crop[22:26, 62:66] = 255
    only = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, squeeze=0.3)
    for seed in range(8):
        out, _ = augment(crop, only, np.random.default_rng(seed))
        lit = np.argwhere(out[..., 0] > 127)
        assert abs(lit[:, 1].mean() - 55.5) < 1
        assert lit[:, 0].min() == 14
        assert lit[:, 0].max() == 57


@given(st.integers(0, 2**32 - 1))
def test_a_blend_shows_the_picture_itself_at_least_by_half(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crops = rng.integers(0, 256, (5, 4, 4, 3), np.uint8)
    out, through = blended(crops, 0.5, rng)
    assert np.array_equal(out[~through], crops[~through])
    other = np.roll(crops, 1, axis=0).astype(float)
    assert (np.abs(out - crops.astype(float)) <= np.abs(out - other) + 1).all()


def test_without_a_chance_nothing_is_blended() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)
    out, through = blended(crops, 0.0, np.random.default_rng(1))
    assert np.array_equal(out, crops)
    assert not through.any()


def test_blends_need_a_teacher_who_sees_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.json"
    config.write_text('{"teachers": ["one", "two"], "augmentation": {"blend": 0.5}}')
    folders = [str(tmp_path)] * 3
    with pytest.raises(SystemExit):
        recognition.main(
            [str(config), "--crops", folders[0], "--targets", folders[1], "--out", folders[2], "--teacher", "one.onnx"]
        )
    assert "who else saw the blend" in capsys.readouterr().err


def test_an_error_ahead_reaches_the_trainer() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"), Ahead(broken()) as items:
        list(items)


def test_ahead_gives_everything_in_order_and_may_be_left_early() -> None:
    with Ahead(iter(range(20)), depth=2) as items:
        assert list(items) == list(range(20))
    with Ahead(itertools.count(), depth=2) as endless:
        assert next(endless) == 0
    assert not any(thread.name.endswith("(_run)") for thread in threading.enumerate())


def test_config_reads_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"width": 64, "sets": ["lfw"], "augmentation": {"flip": 0.0}}')
    config = read_config(path)
    assert (config.width, config.sets, config.augmentation.flip) == (64, ("lfw",), 0.0)
    assert read_config(None) == Config()
