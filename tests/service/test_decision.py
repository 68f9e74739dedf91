from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.gallery.contract import Hit
from app.service.decision import assign, decide, distance, margins, standing

scores = st.floats(-1, 1, width=32)
ranked = st.dictionaries(st.integers(1, 6), scores, max_size=6).map(
    lambda found: sorted((Hit(s, 10 * s, score) for s, score in found.items()), key=lambda h: (-h.score, h.subject))
)


@given(st.lists(ranked, max_size=5), scores)
def test_nobody_is_two_faces_and_no_match_lies_below_the_threshold(faces: list[list[Hit]], threshold: float) -> None:
    matched = assign(faces, [threshold] * len(faces))
    subjects = [hit.subject for hit in matched if hit]
    assert len(subjects) == len(set(subjects))
    assert all(hit in hits and hit.score >= threshold for hit, hits in zip(matched, faces, strict=True) if hit)


@given(st.lists(ranked, max_size=5), scores)
def test_a_face_without_match_lost_everybody_to_a_better_face(faces: list[list[Hit]], threshold: float) -> None:
    matched = assign(faces, [threshold] * len(faces))
    owners = {hit.subject: hit.score for hit in matched if hit}
    for hit, hits in zip(matched, faces, strict=True):
        if hit is None:
            assert all(owners.get(one.subject, -2) >= one.score for one in hits if one.score >= threshold)


def test_the_other_face_may_still_have_its_next_candidate() -> None:
    twins = [[Hit(1, 10, 0.9), Hit(2, 20, 0.8)], [Hit(1, 10, 0.85), Hit(2, 20, 0.84)]]
    assert [hit.subject for hit in assign(twins, [0.5, 0.5]) if hit] == [1, 2]


def test_each_face_is_held_against_its_own_threshold() -> None:
    hits = [[Hit(1, 10, 0.7)], [Hit(1, 10, 0.6)]]
    assert assign(hits, [0.8, 0.5]) == [None, hits[1][0]]


def test_decisions() -> None:
    hit = Hit(1, 10, 0.6)
    assert decide(hit, [hit], 0.5) == "match"
    assert decide(None, [hit], 0.6) == "review"
    assert decide(None, [hit], 0.61) == "no_match"
    assert decide(None, [], 0.0) == "no_match"


@given(scores, scores, st.floats(0, 0.5))
def test_what_a_correction_leaves_of_a_likeness(score: float, impostor: float, margin: float) -> None:
    stands = standing(score, impostor, margin)
    assert (stands == "out") == (score <= impostor)
    assert (stands == "clear") == (score > impostor and score >= impostor + margin)
    assert standing(score, None, margin) == "clear"


def test_margins_and_distance() -> None:
    assert margins([]) == []
    assert margins([Hit(1, 1, 0.75), Hit(2, 2, 0.5)]) == [0.25, None]
    assert [distance(score) for score in (1.0, 0.5, -1.0, 1.0000001)] == [0.0, 1.0, 2.0, 0.0]
