"""Searches: who is enrolled, what is found, by yaw, gallery and group."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from app.face.thresholds import ThresholdTable
from tests.training.made_up_sets import cfp_paths, world
from training import benchmarks, identification
from training.benchmarks import Embedded
from training.embeddings import unit
from training.thresholds import search_table


def test_the_open_set_split_parts_people_and_pictures() -> None:
    paths = cfp_paths(20)
    split = identification.cfp_split(paths)
    people = benchmarks.people_of(paths)
    assert len(split.enrolled) == 20
    assert {paths[i].split("/")[-1] for i in split.enrolled} == {"01.jpg", "02.jpg"}
    assert (len(split.frontal), len(split.profile)) == (80, 40)
    assert (len(split.stranger_frontal), len(split.stranger_profile)) == (100, 40)
    known = set(people[split.enrolled])
    assert set(people[split.profile]) == known
    assert not known & set(people[split.stranger_profile])


def test_open_set_finds_everybody_in_an_easy_world_and_misses_lost_faces() -> None:
    cfp = world("cfp", cfp_paths(20), 0.02)
    frontal, profile = identification.open_set(cfp)
    assert (frontal.fnir_1e2.rate, profile.fnir_1e2.rate, profile.rank1) == (0, 0, 1)
    assert set(profile.rank1_by_difficulty) == {"Medium", "Hard"}
    vectors = cfp.vectors.copy()
    vectors[identification.cfp_split(cfp.paths).profile[:4]] = 0
    lost = identification.open_set(Embedded("cfp", cfp.paths, vectors, cfp.yaw))[1]
    assert lost.lost == 4
    assert lost.fnir_1e2.rate == pytest.approx(0.1)
    assert lost.rank5 == pytest.approx(0.9)


def test_a_person_who_could_not_be_enrolled_is_missed() -> None:
    cfp = world("cfp", cfp_paths(20), 0.02)
    vectors = cfp.vectors.copy()
    vectors[identification.cfp_split(cfp.paths).enrolled[:2]] = 0
    frontal, _ = identification.open_set(Embedded("cfp", cfp.paths, vectors, cfp.yaw))
    assert frontal.subjects == 9
    assert frontal.fnir_1e2.rate == pytest.approx(0.1)


def test_the_service_s_own_threshold_keeps_its_rate_where_the_table_is_right() -> None:
    cfp = world("cfp", cfp_paths(60), 0.35)
    strangers = unit(np.random.default_rng(9).normal(size=(400, 48)))
    vectors = unit(np.random.default_rng(10).normal(size=(3000, 48)))
    searches = ThresholdTable.of(search_table(vectors, np.arange(3000) // 2, np.zeros(3000, np.float32))[0])
    found = identification.open_set(cfp, strangers, searches)
    served = [one.served for one in found]
    assert all(one is not None and one.fpir <= 0.03 for one in served)
    assert identification.open_set(cfp, strangers)[0].served is None


def test_more_distractors_never_help() -> None:
    cfp = world("cfp", cfp_paths(20), 0.35)
    strangers = unit(np.random.default_rng(9).normal(size=(500, 48)))
    found = identification.against_gallery_size(cfp, strangers, (10, 100, 510, 10_000))
    profile = [one for one in found if one.probes == "profile"]
    assert [one.subjects for one in profile] == [10, 100, 510]
    assert profile[0].rank1 >= profile[1].rank1 >= profile[2].rank1
    thresholds = [one.threshold_1e2 for one in profile]
    assert all(more >= less - 1e-6 for less, more in pairwise(thresholds)), "float32 products round by shape"


def test_rank_by_yaw_counts_each_probe_once() -> None:
    cfp = world("cfp", cfp_paths(20), 0.02)
    found, probes = identification.frontal_gallery(cfp)
    assert len(probes) == 20 * 13
    bins = identification.rank_by_yaw(found, cfp.yaw[probes])
    assert sum(one.probes for one in bins) == len(probes)
    assert all(one.rank1 == 1 for one in bins)


def test_false_matches_by_group_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1], [0, 0]], np.float32)
    rates = identification.fmr_by_group(vectors, ["a", "a", "a", "b", "b", "b"], 0.5)
    assert [(r.group, r.pictures, r.pairs) for r in rates] == [("a", 3, 3), ("b", 2, 1)]
    assert [r.fmr.rate for r in rates] == [pytest.approx(1 / 3), 0]
