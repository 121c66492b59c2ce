"""Two curves held against each other: what counts as identical, and how a difference is told."""

from __future__ import annotations

import math

from export.made import record_of
from support import sample_config

from hpsearch.export.reproduce import compare_curves, other_versions
from hpsearch.search.provenance import Provenance, provenance_tags
from hpsearch.training.results import EpochMetrics


def curve(*values: float, **more: float) -> list[EpochMetrics]:
    return [EpochMetrics(epoch, {"loss": value, **more}) for epoch, value in enumerate(values, start=1)]


def test_equal_curves_are_identical_whatever_the_clocks_and_the_machine_say():
    one = curve(0.5, 0.25, epoch_seconds=1.0, seconds_per_update=0.1, **{"system/cpu": 90.0})
    compared = compare_curves(one, curve(0.5, 0.25, epoch_seconds=2.0, seconds_per_update=0.3))
    assert compared.identical
    assert compared.verdict == "identical: 2 epochs, 1 metric"


def test_one_bit_is_a_difference():
    compared = compare_curves(curve(0.5, 0.25, 0.1), curve(0.5, math.nextafter(0.25, 1), 0.3))
    assert not compared.identical
    (found,) = compared.differences
    assert (found.metric, found.epoch, found.recorded) == ("loss", 2, 0.25)
    assert (found.largest, found.largest_epoch) == (0.3 - 0.1, 3)
    assert compared.verdict == "different: from epoch 2 on, in 1 of 1 metric"


def test_nan_equals_nan_and_no_number_and_zero_has_a_sign():
    assert compare_curves(curve(math.nan, math.inf), curve(math.nan, math.inf)).identical
    (found,) = compare_curves(curve(math.nan), curve(1.0)).differences
    assert (found.retrained, found.largest, found.largest_epoch) == (1.0, None, None)
    assert not compare_curves(curve(0.0), curve(-0.0)).identical


def test_a_metric_that_only_one_has_is_a_difference():
    (found,) = compare_curves(curve(1.0, f1_score=0.5), curve(1.0)).differences
    assert (found.metric, found.recorded, found.retrained, found.largest) == ("f1_score", 0.5, None, None)


def test_a_curve_that_goes_on_is_another_one():
    compared = compare_curves(curve(1.0, 0.5), curve(1.0))
    assert not compared.identical
    assert compared.verdict == "different: identical for 1 epoch, then one goes on"


def test_other_versions_are_named():
    now = provenance_tags()
    record = record_of(sample_config(), [0.5])
    assert other_versions(Provenance("", [("", now)]), record) == []
    earlier = {**now, "hpsearch.keras": "3.0.0", "hpsearch.mlflow": "1.0"}
    # MLflow takes no part in a training.
    assert other_versions(Provenance("", [("", earlier)]), record) == [f"keras 3.0.0, now {now['hpsearch.keras']}"]
