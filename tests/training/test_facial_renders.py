"""The renderer's geometry, the fit to photographs, and the sets on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.face.action_units import NAMES, UNITS
from app.face.align import similarity, template
from app.face.nets.facial_parameters import DEGREES, FIRST_UNIT, GRID, MARGIN, OUTPUTS, SIDE
from tests.training.ball import ball
from training import render_sets
from training.creases import CREASES, Habit, creases_of, draw_habit, shade
from training.face_model import CLASSES, IDENTITY, FaceModel
from training.facial_batches import PAINTED, batch_of, mirrored
from training.paint import draw_paint
from training.photographs import units_of
from training.redrawn import (
    CONTOUR,
    IGNORED,
    MESH_POINTS,
    REST,
    Fit,
    fit,
    offset_of,
    read,
    redraw,
    rest_of,
    spread_of,
    taught,
)
from training.render import (
    OVERSAMPLING,
    Parameters,
    base_light,
    base_parameters,
    draw_parameters,
    posed,
    rasterised,
    render,
    rotation,
)
from training.render_sets import RenderSet, draw_set, load_set

NOWHERE = np.zeros((68, 3), np.float32)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return ball()


angles = st.floats(-80, 80)


@given(angles, angles, angles)
def test_angles_go_into_a_rotation_and_back(yaw: float, pitch: float, roll: float) -> None:
    turn = rotation(yaw, pitch, roll)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    nothing = np.zeros(0, np.float32)
    said = Fit(nothing, nothing, nothing, 1.0, turn, nothing, 0.0, nothing).angles
    assert said == pytest.approx((yaw, pitch, roll), abs=0.01)


@pytest.mark.parametrize(("angle", "axis"), [("yaw", 0), ("pitch", 1)])
def test_the_nose_goes_right_with_yaw_and_down_with_pitch(model: FaceModel, angle: str, axis: int) -> None:
    tip = model.landmarks[30]
    _, before = posed(model.mean, base_parameters(model), 80)
    _, after = posed(model.mean, replace(base_parameters(model), **{angle: 20.0}), 80)
    assert (after - before)[tip, axis] > 1


def test_roll_leans_to_the_pictures_right(model: FaceModel) -> None:
    top = int(model.mean[:, 1].argmax())
    _, plane = posed(model.mean, replace(base_parameters(model), roll=20.0), 80)
    assert plane[top, 0] > 1


def test_a_render_lies_in_its_crop_as_an_aligned_photograph_does(model: FaceModel) -> None:
    ground = np.zeros((SIDE * OVERSAMPLING, SIDE * OVERSAMPLING, 3), np.float32)
    paint = draw_paint(np.random.default_rng(0), model)
    for seed in range(8):
        parameters = draw_parameters(np.random.default_rng(seed), model)
        drawn = render(model, replace(parameters, yaw=parameters.yaw / 4), paint, base_light(), ground)
        again = similarity(drawn.points, template(SIDE, MARGIN))
        np.testing.assert_allclose(again, [[1, 0, 0], [0, 1, 0]], atol=0.01)
        assert drawn.image.shape == (SIDE, SIDE, 3)
        assert drawn.labels[GRID // 2, GRID // 2] not in (CLASSES.index("background"), IGNORED)


def test_a_triangle_covers_its_pixels_with_its_colour_and_near_hides_far() -> None:
    square = np.array([[8, 8], [8, 24], [24, 8], [24, 24]], np.float32)
    plane, depth = np.concatenate([square, square + 8]), np.repeat(np.array([50, 60], np.float32), 4)
    values = np.repeat(np.array([[1, 0, 0], [0, 1, 0]], np.float32), 4, axis=0)
    triangles = np.array([[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6]], np.int32)
    picture, _ = rasterised(plane, depth, triangles, values, np.zeros((40, 40, 3), np.float32))
    np.testing.assert_allclose(picture[12, 12], [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(picture[20, 20], [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(picture[28, 28], [0, 1, 0], atol=1e-5)
    np.testing.assert_allclose(picture[36, 4], 0)


def test_y_is_laid_out_as_the_network_answers_it(model: FaceModel) -> None:
    parameters = replace(draw_parameters(np.random.default_rng(0), model), yaw=45.0, pitch=-9.0)
    y = parameters.vector()
    assert y.shape == (OUTPUTS,)
    assert y[IDENTITY : IDENTITY + 2] == pytest.approx([-9 / DEGREES, 45 / DEGREES])
    np.testing.assert_array_equal(y[FIRST_UNIT:], parameters.units)
    assert base_parameters(model).vector().any() == np.False_


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(-40, 40), st.floats(-20, 20), st.floats(-20, 20), st.floats(4, 7))
def test_a_fit_finds_the_pose_it_was_drawn_in(seed: int, yaw: float, pitch: float, roll: float, scale: float) -> None:
    model = ball()
    rng = np.random.default_rng(seed)
    identity = np.zeros(IDENTITY, np.float32)
    identity[:10] = rng.normal(0, 0.7, 10)
    mesh = np.zeros((478, 3))
    shape = model.shape(identity, np.zeros(23, np.float32))[model.landmarks]
    at = scale * shape @ rotation(yaw, pitch, roll).T
    mesh[MESH_POINTS] = at * (1, -1, -1) + (64, 70, 0)
    found = fit(model, mesh, NOWHERE)
    assert found.angles == pytest.approx((yaw, pitch, roll), abs=3)
    assert found.error < 1.0
    assert found.units.min() >= 0
    assert found.units.max() <= 1


def test_units_that_hardly_move_a_face_may_go_farther() -> None:
    shapes = np.ones((3, 68, 3)) * np.array([0.05, 0.2, 0.8])[:, None, None]
    small, middle, large = spread_of(shapes)
    assert middle == pytest.approx(REST)
    assert small == pytest.approx(2 * REST)
    assert large == pytest.approx(REST / 2)


def meshes_of(model: FaceModel, shift: np.ndarray, count: int = 12) -> list[np.ndarray]:
    """Faces at rest, seen by a landmarker whose points lie ``shift`` [68, 3] cm beside the model's."""
    rng, out = np.random.default_rng(3), []
    for _ in range(count):
        identity = np.zeros(IDENTITY, np.float32)
        identity[:10] = rng.normal(0, 0.3, 10)
        shape = model.shape(identity, np.zeros(23, np.float32))[model.landmarks] + shift
        mesh = np.zeros((478, 3))
        mesh[MESH_POINTS] = 5 * shape @ rotation(*rng.uniform(-10, 10, 3)).T * (1, -1, -1) + (64, 70, 0)
        out.append(mesh)
    return out


def test_a_landmarker_that_means_other_places_is_found_out(model: FaceModel) -> None:
    shift = np.zeros((68, 3), np.float32)
    shift[17:27, 1] = 1.5  # brows
    meshes = meshes_of(model, shift)
    offset = offset_of(model, meshes)
    assert offset[:CONTOUR].any() == np.False_
    before, after = (np.mean([fit(model, mesh, by).error for mesh in meshes]) for by in (NOWHERE, offset))
    assert after < 0.6 * before


def test_a_photograph_is_read_with_what_it_is_taught_as(model: FaceModel) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    (mesh,) = meshes_of(model, NOWHERE, 1)
    fitted = fit(model, mesh, NOWHERE)
    assert ((fitted.told > 0) & (fitted.told < 1)).all()
    units = np.linspace(0, 1, 23, dtype=np.float32)
    image, labels, y, points = read(crop, mesh, fitted, NOWHERE, units)
    np.testing.assert_array_equal(image, crop)
    assert (labels == IGNORED).all()
    np.testing.assert_array_equal(y, np.concatenate([fitted.vector()[:FIRST_UNIT], units]))
    np.testing.assert_allclose((points + 1) * 64, mesh[MESH_POINTS, :2], atol=1e-4)


def test_a_photograph_is_taught_what_fit_and_landmarker_say_and_either_alone_where_the_other_is_silent(
    model: FaceModel,
) -> None:
    (mesh,) = meshes_of(model, NOWHERE, 1)
    units, told = np.zeros(23, np.float32), np.ones(23, np.float32)
    units[:4], told[[2, 3]] = (0.5, 0.1, 0.9, 0.9), 0
    rest, said = np.full(23, 0.2, np.float32), np.full(23, np.nan, np.float32)
    said[[0, 2]] = 0.7
    found = taught(replace(fit(model, mesh, NOWHERE), units=units, told=told), rest, said)
    np.testing.assert_allclose(found[:4], (0.5, 0.0, 0.7, np.nan), atol=1e-6)


def test_the_landmarker_says_nothing_of_what_never_moves_for_it() -> None:
    names = tuple(shape for unit in UNITS for shape in unit.blendshapes)
    shapes = np.zeros((4, len(names)), np.float32)
    shapes[:, names.index("mouthSmileLeft")] = (0, 0.2, 0.6, 1)
    shapes[:, names.index("browDownRight")] = (0, 0.2, 0.6, 1)
    said = units_of(shapes, names)
    np.testing.assert_allclose(said[:, NAMES.index("AU12L")], (0, 0.2, 0.6, 1))
    np.testing.assert_allclose(said[:, NAMES.index("AU4")], (0, 0.1, 0.3, 0.5))
    assert np.isnan(said).all(axis=0).sum() == 21


def test_points_stay_on_what_they_mark_when_a_picture_is_shaken() -> None:
    """A white dot on black goes where its point goes."""
    images, points = np.zeros((4, SIDE, SIDE, 3), np.uint8), np.zeros((4, 68, 2), np.float32)
    for at, (x, y) in enumerate([(40, 60), (80, 48), (64, 90), (50, 80)]):
        images[at, y - 2 : y + 3, x - 2 : x + 3] = 255
        points[at] = (np.array([x, y]) + 0.5) * 2 / SIDE - 1
    labels = np.zeros((4, GRID, GRID), np.uint8)
    dots = RenderSet(images, labels, np.zeros((4, OUTPUTS), np.float32), points)
    off = []
    for seed in range(12):
        batch = batch_of([dots], 8, (1, seed))
        light = batch["images"].mean(dim=1).numpy() ** 4
        for seen, place in zip(light, batch["points"][:, 0].numpy(), strict=True):
            at = np.array(np.unravel_index(seen.argmax(), seen.shape))[::-1]
            off.append(np.abs((at + 0.5) * 2 / SIDE - 1 - place).max() * SIDE / 2)
    assert np.median(off) < 1.5


def test_skin_creases_where_its_unit_moves_it_and_nowhere_else(model: FaceModel) -> None:
    creases = creases_of(model)
    habit = Habit(np.full(len(CREASES), 0.5, np.float32), np.zeros(len(CREASES), np.float32))
    rest, furrowed = np.zeros(23, np.float32), np.zeros(23, np.float32)
    furrowed[NAMES.index("AU4")] = 1
    assert (shade(creases, habit, rest) == 1).all()
    dark = 1 - shade(creases, habit, furrowed)
    deepest = model.mean[dark.argmax()]
    assert dark.max() > 0.2
    assert np.abs(deepest[:2] - model.mean[model.landmarks[[21, 22]], :2].mean(axis=0)).max() < 2
    middle = model.mean[model.landmarks[27], 0]
    assert min(dark[model.mean[:, 0] > middle].max(), dark[model.mean[:, 0] < middle].max()) > 0.1


def test_some_skins_crease_at_rest_but_no_photograph_does_so_twice() -> None:
    habits = [draw_habit(np.random.default_rng(seed)) for seed in range(40)]
    assert any(habit.at_rest.any() for habit in habits)
    assert not any(draw_habit(np.random.default_rng(seed), at_rest=False).at_rest.any() for seed in range(40))


def test_the_median_face_rests(model: FaceModel) -> None:
    meshes = meshes_of(model, NOWHERE, 5)
    rest = rest_of(model, meshes, NOWHERE)
    np.testing.assert_array_equal(rest, np.median([fit(model, mesh, NOWHERE).units for mesh in meshes], axis=0))
    silent, moved = np.full(23, np.nan, np.float32), 0.0
    for mesh in meshes:
        fitted = fit(model, mesh, NOWHERE)
        moved = moved + (taught(replace(fitted, told=np.ones(23, np.float32)), rest, silent) > 0)
    assert (moved <= len(meshes) // 2).all()


def test_points_lie_where_the_face_is_drawn(model: FaceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_sets, "CHUNK", 8)
    draw_set("base", 8, model, tmp_path)
    drawn = load_set("base", tmp_path)
    eye = drawn.points[:, 36:42].mean(axis=1)
    wanted = template(SIDE, MARGIN)[0] * 2 / SIDE - 1
    assert np.abs(eye - wanted).max() < 0.25
    batch = batch_of([drawn], 8, (0, 1))
    assert (batch["points"][:, 36:48].abs() < 1).all()


def test_a_redrawn_photograph_keeps_its_ground_and_says_where_nobody_knows(model: FaceModel) -> None:
    rng = np.random.default_rng(0)
    crop = np.full((SIDE, SIDE, 3), (10, 200, 30), np.uint8)
    nothing = Parameters(*(np.zeros(n, np.float32) for n in (IDENTITY, 23, len(model.other_names))), 0, 0, 0)
    fitted = Fit(
        nothing.identity,
        nothing.units,
        nothing.others,
        5.0,
        rotation(0, 0, 0),
        np.array([64, -70, 0], np.float32),
        0.0,
        np.ones(23, np.float32),
    )
    image, labels, y, points = redraw(rng, model, crop, fitted, draw_paint(rng, model), creases_of(model))
    assert points.shape == (68, 2)
    assert (labels == IGNORED).any()
    assert (labels == CLASSES.index("face")).any()
    assert y.shape == (OUTPUTS,)
    np.testing.assert_allclose(image.reshape(-1, 3).mean(axis=0), (10, 200, 30), atol=40)


def test_sets_go_on_where_they_stood_and_are_the_same_again(
    model: FaceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_sets, "CHUNK", 8)
    draw_set("varied", 16, model, tmp_path)
    draw_set("held_out", 8, model, tmp_path)
    first = load_set("varied", tmp_path)
    assert len(first) == 16
    assert len(np.unique(first.y[:, :IDENTITY], axis=0)) == 2
    kept = (tmp_path / "varied-0001.npz").stat().st_mtime_ns
    (tmp_path / "varied-0000.npz").unlink()
    draw_set("varied", 16, model, tmp_path)
    again = load_set("varied", tmp_path)
    assert (tmp_path / "varied-0001.npz").stat().st_mtime_ns == kept
    np.testing.assert_array_equal(again.images, first.images)
    np.testing.assert_array_equal(again.y, first.y)
    assert not np.isin(load_set("held_out", tmp_path).y[:, 0], first.y[:, 0]).any()


def test_mirrors_undo_themselves(model: FaceModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_sets, "CHUNK", 8)
    draw_set("base", 8, model, tmp_path)
    drawn = load_set("base", tmp_path)
    first = (drawn.images[0], drawn.labels[0], drawn.y[0], drawn.points[0])
    image, labels, y, points = mirrored(*mirrored(*first))
    np.testing.assert_array_equal(points, drawn.points[0])
    np.testing.assert_array_equal(image, drawn.images[0])
    np.testing.assert_array_equal(labels, drawn.labels[0])
    np.testing.assert_array_equal(y, drawn.y[0])
    batch = batch_of([drawn, drawn], 20, (0, 0))
    assert batch["images"].shape == (20, 3, SIDE, SIDE)
    assert batch["known"][round(20 * PAINTED) :].sum() == 0
    assert set(np.unique(batch["labels"])) <= {*range(len(CLASSES)), IGNORED}
