"""Figures are copied from a report, never typed."""

from __future__ import annotations

import pytest

from training.figures import BEGIN, END, between, figures, table

METRICS = {
    "extractor": "tiny-00000000",
    "faces_from": "labels",
    "faces_not_found": {"cfp": {"lost": 2, "of": 7000}},
    "views": {
        "E": {
            "pairs": {"CFP-FP": {"accuracy": 0.5, "eer": 0.25, "tpr_at_fpr_1e-3": 0.125}},
            "all_pairs": {"at": [{"fmr": 1e-5, "tar": 0.75}]},
            "open_set": [
                {"probes": "profile", "fnir_at_fpir_1e-2": 0.9, "against_crowds": {"fnir_at_fpir_1e-2": 0.5}},
            ],
        },
        "G": {"pairs": {"CFP-FP": {"accuracy": 0.625, "eer": 0.2}}, "all_pairs": None, "open_set": None},
    },
}


def test_rows_are_what_was_measured_in_percent() -> None:
    found = {row.name: row.values for row in figures(METRICS)}
    assert found["CFP-FP accuracy"] == {"E": 50.0, "G": 62.5}
    assert found["CFP-FP, TPR at FPR 0.1 %"] == {"E": 12.5}
    assert found["LFW, TAR at FAR 1e-5, all pairs"] == {"E": 75.0}
    assert found["the same, profiles"] == {"E": 50.0}
    assert found["by one threshold for all faces: profiles"] == {"E": 90.0}
    assert not any("served" in name for name in found)
    assert not any("LFW accuracy" in name for name in found)


def test_the_table_names_model_losses_and_command() -> None:
    text = table(figures(METRICS), METRICS, "python -m training.evaluate")
    assert "| CFP-FP accuracy | 50.00 | 62.50 | >= 96.5 |" in text
    assert "tiny-00000000" in text
    assert "cfp 2 of 7000" in text
    assert text.endswith("`python -m training.evaluate`")


def test_only_what_lies_between_the_markers_changes() -> None:
    assert between(f"a\n{BEGIN}\nold\n{END}\nb", "new") == f"a\n{BEGIN}\nnew\n{END}\nb"
    with pytest.raises(ValueError, match="figures"):
        between("no markers", "new")
