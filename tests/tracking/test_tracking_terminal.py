"""The terminal view, drawn for real: into a terminal of a given width, and into plain lines."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from hpsearch.config.study import load_study
from hpsearch.config.trial import TrialConfig
from hpsearch.search.listeners import StudyEnded, StudyStarted, TrialStarted
from hpsearch.search.records import TrialRecord
from hpsearch.tracking.terminal import LiveView, PlainLines, sparkline
from hpsearch.training.results import Best, EpochRow, Outcome


def row(epoch: int, accuracy: float) -> EpochRow:
    return EpochRow(epoch, {"loss": 1.0, "val_loss": 1.0, "accuracy": accuracy, "val_accuracy": accuracy})


def record(number: int, outcome: Outcome, *accuracies: float) -> TrialRecord:
    best = max(accuracies) if accuracies else None
    return TrialRecord(
        number=number,
        state="COMPLETE",
        outcome=outcome,
        config=TrialConfig().plain(),
        rows=tuple(row(epoch + 1, value) for epoch, value in enumerate(accuracies)),
        best=Best(accuracies.index(best) + 1, best) if best is not None else None,
        seconds=12.0,
        detail="the worker died" if outcome is Outcome.FAILED else "",
        baseline=False,
        params={},
        facts={},
        traceback="",
        started=None,
    )


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "view.yaml"
    file.write_text("trial: {data: {dataset: fashion_mnist_sample}}\n")
    return load_study(file)


def play(view, spec) -> None:
    view.study_started(StudyStarted(spec, "", [], 10, 2))
    for number in range(4):
        view.trial_started(TrialStarted(number, TrialConfig(batch_size=64), number == 0))
        view.epoch_done(number, row(1, 0.5 + number / 10))
    view.trial_ended(record(0, Outcome.COMPLETED, 0.81, 0.85, 0.83))
    view.trial_ended(record(1, Outcome.PRUNED, 0.6))
    view.trial_ended(record(2, Outcome.FAILED))
    view.idle()


def text_of(view_class, spec, *, terminal: bool) -> str:
    out = io.StringIO()
    view = view_class(Console(file=out, force_terminal=terminal, width=140, color_system=None))
    play(view, spec)
    if terminal:
        view.study_ended(StudyEnded([], None, False, 1.0, 4))
        view.close()
    return out.getvalue()


def test_the_live_view_shows_counts_the_best_the_time_and_what_runs(spec):
    last = text_of(LiveView, spec, terminal=True)
    for expected in ("3 of 10 trials", "1 complete", "1 running", "1 pruned", "1 failed", "left"):
        assert expected in last
    assert "val_accuracy 0.8500 at epoch 2 of trial 0" in last
    assert "trial 2 failed: the worker died" in last
    assert "0.8000" in last.splitlines()[-2] + last.splitlines()[-1]


def test_plain_lines_say_each_thing_once_and_hold_no_control_codes(spec):
    lines = text_of(PlainLines, spec, terminal=False).splitlines()
    assert lines[0] == "study 'view': 10 trials, 2 at once"
    assert sum("trial 0 completed: val_accuracy 0.8500 at epoch 2, 3 epochs, 12.0 s" in line for line in lines) == 1
    assert "trial 1 pruned" in "\n".join(lines)
    assert "the worker died" in "\n".join(lines)
    assert not any("\x1b" in line for line in lines)
    assert len(lines) == 1 + 4 + 3


def test_knobs_that_are_off_are_not_named(spec):
    out = io.StringIO()
    view = PlainLines(Console(file=out, width=200))
    view.study_started(StudyStarted(spec, "", [], 1, 1))
    muon = {"name": "muon", "rms_rate": None, "nesterov": False, "ns_steps": 3}
    view.trial_started(TrialStarted(0, TrialConfig.model_validate({"optimizer": muon}), False))
    assert "trial 0 started: muon learning_rate=0.001 momentum=0.95 ns_steps=3 batch_size=32" in out.getvalue()


def test_a_sparkline_spans_lowest_to_highest_and_passes_over_nan():
    assert sparkline([0.1, 0.5, 0.9]) == "▁▅█"
    assert sparkline([0.5, math.nan, 0.5]) == "▁▁"
    assert sparkline([]) == ""
