"""Study files from text, and the example of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hpsearch.config.study import StudySpec, load_study
from hpsearch.errors import StudyFileError

Load = Callable[..., StudySpec]
ProblemsIn = Callable[..., list[str]]

EXAMPLE = """\
name: fashion-mnist
objective: {metric: val_accuracy, direction: maximize}
trial:
  data: {dataset: fashion_mnist, validation: 5000, normalization: rescale}
  model: {architecture: mlp, units: [256, 128], activation: relu, batch_normalization: true}
  optimizer:
    choice:
      - {name: sgd, learning_rate: {float: [0.001, 1.0], log: true}, momentum: {one_minus: [0.001, 1.0], log: true}, \
nesterov: {choice: [false, true]}}
      - {name: adam, learning_rate: {float: [0.0001, 0.03], log: true}}
  schedule:
    choice: [{name: constant}, {name: inverse_time, decay_rate: {float: [0.01, 10], log: true}}, {name: cosine}]
  batch_size: {choice: [32, 64, 128, 256, 512]}
  training: {max_epochs: 30, early_stopping: {patience: 4}}
search: {sampler: tpe, pruner: asha, trials: 60, timeout: 20m, seed: 0}
finalists: {top: 3, seeds: 5}
"""


@pytest.fixture(scope="session")
def example() -> str:
    """The study file of the documentation."""
    return EXAMPLE


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """load(content, overrides): the study of a file `study.yaml` with this text (or these bytes)."""
    folder = tmp_path_factory.mktemp("studies")

    def load_text(content: str | bytes, overrides: Iterable[str] = ()) -> StudySpec:
        path: Path = folder / "study.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return load_study(path, overrides)

    return load_text


@pytest.fixture(scope="session")
def problems_in(load: Load) -> ProblemsIn:
    """problems_in(content, overrides): what is wrong with it, one line each, the folder left out."""

    def problems(content: str | bytes, overrides: Iterable[str] = ()) -> list[str]:
        with pytest.raises(StudyFileError) as caught:
            load(content, overrides)
        return [
            f"study.yaml{rest}" if found else line
            for line in caught.value.problems
            for _, found, rest in [line.partition("study.yaml")]
        ]

    return problems
