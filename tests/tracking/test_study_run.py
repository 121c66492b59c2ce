"""The metrics of a study's own run, kept up as trials end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tracking.story import Story, make_config, make_spec

from hpsearch.search.listeners import Listener
from hpsearch.search.records import TrialRecord
from hpsearch.tracking.names import MetricRow
from hpsearch.tracking.study_run import StudyMetrics
from hpsearch.training.results import Outcome


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(make_spec(tmp_path), Listener())
    for number, (value, outcome) in enumerate(
        [
            (0.6, Outcome.COMPLETED),
            (0.9, Outcome.PRUNED),
            (0.8, Outcome.COMPLETED),
            (0.8, Outcome.COMPLETED),
            (0.7, Outcome.FAILED),
            (0.95, Outcome.COMPLETED),
        ]
    ):
        story.trial(number, make_config(number), [value], outcome)
    return story


def told(rows: tuple[MetricRow, ...]) -> list[tuple[int, dict[str, float]]]:
    return [(row.step, dict(row.metrics)) for row in rows]


def later(record: TrialRecord, seconds: float) -> TrialRecord:
    assert record.ended is not None
    return replace(record, ended=record.ended + timedelta(seconds=seconds))


def test_each_step_says_what_changed(story: Story) -> None:
    rows = StudyMetrics(story.spec.objective).rows(list(story.records.values()))
    assert told(rows) == [
        (0, {"trials_done": 0, "trials_complete": 0, "trials_pruned": 0, "trials_failed": 0}),
        (1, {"trials_done": 1, "trials_complete": 1, "best_trial": 0, "study_best_val_accuracy": pytest.approx(0.59)}),
        (2, {"trials_done": 2, "trials_pruned": 1}),
        (3, {"trials_done": 3, "trials_complete": 2, "best_trial": 2, "study_best_val_accuracy": pytest.approx(0.79)}),
        (4, {"trials_done": 4, "trials_complete": 3}),
        (5, {"trials_done": 5, "trials_failed": 1}),
        (6, {"trials_done": 6, "trials_complete": 4, "best_trial": 5, "study_best_val_accuracy": pytest.approx(0.94)}),
    ]


def test_of_a_trial_that_ends_only_its_own_step_is_made(story: Story) -> None:
    records, progress = list(story.records.values()), StudyMetrics(story.spec.objective)
    before: tuple[MetricRow, ...] = ()
    for count in range(len(records) + 1):
        rows = progress.rows(records[:count])
        assert len(rows) == count + 1
        assert all(one is other for one, other in zip(before, rows, strict=False))
        before = rows
    assert told(before) == told(StudyMetrics(story.spec.objective).rows(records))


def test_what_ended_in_another_order_is_told_anew(story: Story) -> None:
    records, progress = list(story.records.values()), StudyMetrics(story.spec.objective)
    progress.rows(records)
    records[0] = later(records[0], 60)
    assert told(progress.rows(records)) == told(StudyMetrics(story.spec.objective).rows(records))
    # Among equals the one with the lower number leads, whichever ended first.
    records[2] = later(records[2], 60)
    assert progress.rows(records[:4])[4].metrics["best_trial"] == 2
    assert len(progress.rows(records[:2])) == 3
