"""The columns of the comparison view and the table of the study's page: what varies, and nothing that is fixed."""

from __future__ import annotations

import pytest

from hpsearch.config.study import StudySpec, load_study
from hpsearch.search.records import TrialRecord
from hpsearch.tracking.study_run import study_note
from hpsearch.tracking.view_state import view_state
from hpsearch.training.results import Best, EpochMetrics, Outcome

BUILDER = """
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: custom, builder: "mine:net", arguments: {width: {choice: [8, 16]}, depth: 2}}
  optimizer: {name: adam, learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999}
  schedule: constant
  batch_size: 32
  seed: {choice: [0, 1]}
"""
OWN = """
trainable: mine:train
objective: {metric: val_loss}
trial: {deep: {width: {choice: [8, 16]}}, fixed: 3, seed: 1}
"""
BARS = """
trainable: mine:train
objective: {metric: val_loss}
trial: {way: {choice: ["a|b", "a|c"]}, seed: 1}
"""


def study(folder, text: str) -> StudySpec:
    (folder / "mine.py").write_text("def net(shape, classes, width, depth): ...\n\n\ndef train(config, seed): ...\n")
    (folder / "study.yaml").write_text(text)
    return load_study(folder / "study.yaml")


@pytest.mark.parametrize(
    ("text", "varied", "fixed"),
    [
        (BUILDER, ["arguments.width", "seed"], ["learning_rate", "optimizer", "arguments.depth"]),
        (OWN, ["deep.width"], ["fixed", "seed"]),
    ],
    ids=["a builder's argument", "a training of one's own"],
)
def test_columns_and_page_list_what_varies(tmp_path, text, varied, fixed):
    spec = study(tmp_path, text)
    columns = view_state(spec)["selectedColumns"]
    assert [name for name in columns if name.startswith("params")] == [f"params.`{name}`" for name in varied]
    page = page_of(spec)
    assert all(f"| {name} |" in page for name in varied)
    assert not any(f"| {name} |" in page for name in fixed)


def test_a_bar_in_a_value_does_not_end_its_cell(tmp_path):
    assert "| way | a\\|b |" in page_of(study(tmp_path, BARS))


def page_of(spec: StudySpec) -> str:
    """Return the study's page where one trial has ended."""
    metric = spec.objective.metric
    record = TrialRecord(
        number=0,
        state="COMPLETE",
        outcome=Outcome.COMPLETED,
        config=spec.corners[0],
        epochs=(EpochMetrics(1, {metric: 0.5}),),
        best=Best(1, 0.5),
        seconds=1.0,
    )
    return study_note(spec, [record], None, running=False)
