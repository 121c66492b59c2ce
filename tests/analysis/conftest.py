"""One small grid on the packaged sample, run by the real command in two goes, that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import hpsearch, result_of

from hpsearch.search.home import Home
from hpsearch.search.storage import find_study

STUDY = """\
name: tiny
description: A calm rate & a wild one <for tests>.
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [16]}
  optimizer:
    choice:
      calm: {name: sgd, learning_rate: {choice: [0.001, 0.1]}}
      wild: {name: sgd, learning_rate: 1.0e+30}
  schedule: constant
  batch_size: 100
  training: {max_epochs: 3, early_stopping: null}
  seed: {choice: [0, 1, 2]}
search: {sampler: grid}
compare:
  by: [optimizer]
  best_of: [learning_rate]
  target: 0.5
  report: [val_accuracy, val_loss, final_val_loss, gap, epochs, epochs_to_target, seconds, seconds_per_epoch, weights]
  curves: [val_accuracy, loss]
quick: {trial.seed: {choice: [0]}}
"""


@dataclass(frozen=True)
class Tiny:
    """The home folder of the finished study `tiny`, what `run -f json` printed, and each trial with its epochs."""

    home: Path
    file: Path
    first: dict[str, Any]
    summary: dict[str, Any]
    trials: list[dict[str, Any]]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    home, file = folder / "home", folder / "tiny.yaml"
    file.write_text(STUDY, encoding="utf-8")
    first = result_of(hpsearch("run", str(file), "--trials", "2", "-f", "json", home=home))
    summary = result_of(hpsearch("run", str(file), "-f", "json", home=home))
    trials = [
        {**record.summary(), "epochs": [row.plain() for row in record.epochs]}
        for record in find_study(Home(home), "tiny").records()
    ]
    return Tiny(home, file, first, summary, trials)
