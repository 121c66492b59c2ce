"""Precision, recall and F1 of a confusion matrix, counted by hand."""

from __future__ import annotations

import csv
import io

import pytest

from hpsearch.analysis.confusion import artifact_texts, class_metrics

NAMES = ("T-shirt/top", "<Coat>", "never")
# 10 of the first class, 5 of the second, none of the third.
MATRIX = [[8, 2, 0], [1, 4, 0], [0, 0, 0]]


def test_class_figures_are_those_counted_by_hand():
    found = class_metrics(MATRIX, NAMES)
    assert found["precision/T-shirt/top"] == pytest.approx(8 / 9)
    assert found["recall/T-shirt/top"] == pytest.approx(8 / 10)
    assert found["f1/T-shirt/top"] == pytest.approx(2 * 8 / (9 + 10))
    assert found["precision/<Coat>"] == pytest.approx(4 / 6)
    assert found["recall/<Coat>"] == pytest.approx(4 / 5)
    # Of what never occurs and is never predicted.
    assert found["f1/never"] == 0.0
    assert found["f1/weighted avg"] == pytest.approx((10 * 16 / 19 + 5 * 8 / 11) / 15)


def test_the_artifacts_say_the_same_and_need_no_network():
    found = artifact_texts(MATRIX, NAMES, "test")
    assert set(found) == {
        "test_confusion_matrix.csv",
        "test_confusion_matrix.html",
        "test_classification_report.txt",
    }
    rows = list(csv.reader(io.StringIO(found["test_confusion_matrix.csv"])))
    assert rows == [["true class", *NAMES], *([name, *map(str, row)] for name, row in zip(NAMES, MATRIX, strict=True))]
    page = found["test_confusion_matrix.html"]
    assert "&lt;Coat&gt;" in page
    assert "<Coat>" not in page
    assert "http" not in page
    assert "0.8000" in found["test_classification_report.txt"]
