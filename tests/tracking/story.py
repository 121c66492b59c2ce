"""A study told by hand: the events that a coordinator would send, without training anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hpsearch.config.study import StudySpec, load_study
from hpsearch.config.trial import TrialConfig
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener, StudyEnded, StudyStarted
from hpsearch.search.provenance import Provenance, provenance_tags
from hpsearch.search.records import TrialRecord, best_trial
from hpsearch.tracking.listener import MlflowListener
from hpsearch.tracking.target import Target
from hpsearch.training.results import EpochMetrics, Outcome, best_of

FILE = """
name: {name}
description: Which optimizer suits a small network?
objective: {{metric: {metric}}}
trial:
  data: {{dataset: fashion_mnist_sample, validation: 400}}
  optimizer:
    choice:
      - {{name: sgd, learning_rate: {{float: [0.001, 1.0], log: true}},
         momentum: {{one_minus: [0.001, 1.0], log: true}}, nesterov: false}}
      - {{name: adam, learning_rate: {{float: [0.0001, 0.03], log: true}}, beta_2: 0.999}}
  schedule: {{choice: [constant, cosine]}}
  batch_size: {{choice: [32, 64]}}
  training: {{max_epochs: 5}}
search: {{trials: 6, seed: 7}}
"""
STATES = {Outcome.PRUNED: "PRUNED", Outcome.DIVERGED: "PRUNED", Outcome.FAILED: "FAIL"}


def make_spec(folder: Path, name: str = "told", metric: str = "val_accuracy") -> StudySpec:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(FILE.format(name=name, metric=metric), encoding="utf-8")
    return load_study(path)


def make_config(number: int, optimizer: str = "adam", **knobs: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {"dataset": "fashion_mnist_sample", "validation": 400},
            "optimizer": {"name": optimizer, **knobs},
            "schedule": "cosine",
            "batch_size": 64,
            "seed": 7 + number,
        }
    )


def make_row(epoch: int, value: float, loss: float | None = None) -> EpochMetrics:
    loss = round(1 - value, 4) if loss is None else loss
    metrics = {
        "loss": loss,
        "accuracy": round(value, 4),
        "val_loss": loss,
        "val_accuracy": round(value - 0.01, 4),
        "learning_rate": 0.001 / epoch,
        "epoch_seconds": 1.5,
    }
    return EpochMetrics(epoch, metrics)


@dataclass
class Story:
    """Plays a study to a listener and keeps what Optuna would keep: the records."""

    spec: StudySpec
    listener: Listener
    records: dict[int, TrialRecord] = field(default_factory=dict)

    def start(self) -> None:
        records = [self.records[number] for number in sorted(self.records)]
        self.listener.study_started(StudyStarted(self.spec, "name: told\n", records, 6, 2))
        self._settle()

    def begin(self, number: int, config: TrialConfig, *, baseline: bool = False) -> None:
        self.records[number] = TrialRecord(
            number=number,
            state="RUNNING",
            outcome=None,
            config=config,
            epochs=(),
            best=None,
            seconds=None,
            detail="",
            baseline=baseline,
            params={},
            info={},
            traceback="",
            started=datetime.now(),
        )
        self.listener.trial_started(self.records[number])
        self._settle()

    def epochs(self, number: int, rows: Sequence[EpochMetrics]) -> None:
        for row in rows:
            record = self.records[number]
            self.records[number] = replace(record, epochs=(*record.epochs, row))
            self.listener.epoch_done(number, row)
        self._settle()

    def end(self, number: int, outcome: Outcome, detail: str = "") -> None:
        record = self.records[number]
        self.records[number] = replace(
            record,
            state=STATES.get(outcome, "COMPLETE"),
            outcome=outcome,
            best=best_of(record.epochs, self.spec.objective),
            seconds=4.5,
            detail=detail,
            info={"weights": 7850},
            traceback=f"Traceback of {detail}\n" if detail else "",
            started=(ended := datetime.now()) - timedelta(seconds=4.5),
            ended=ended,
        )
        self.listener.trial_ended(self.records[number])
        self._settle()

    def trial(self, number: int, config: TrialConfig, values: Sequence[float], outcome: Outcome) -> None:
        """A trial from its start to its end."""
        self.begin(number, config)
        self.epochs(number, [make_row(epoch, value) for epoch, value in enumerate(values, 1)])
        self.end(number, outcome)

    def interrupt(self, number: int) -> None:
        self.records[number] = replace(self.records[number], state="WAITING", outcome=None)
        self.listener.trial_interrupted(number)
        self._settle()

    def finish(self, *, interrupted: bool = False) -> None:
        records = [self.records[number] for number in sorted(self.records)]
        best = best_trial(records, self.spec.objective)
        self.listener.study_ended(StudyEnded(records, best, interrupted, 1.0, 1))
        self.listener.close()

    def _settle(self) -> None:
        """MLflow is written by a thread; what a test looks at next is there, or has failed."""
        if isinstance(self.listener, MlflowListener):
            self.listener.flush(30)


PROVENANCE = Provenance("a1b2", [(datetime.min.isoformat(), provenance_tags())])


def render_best(spec: StudySpec, record: TrialRecord) -> str:
    return f"# trial {record.number} of {spec.name}\n"


def make_listener(home: Home, told: list[str] | None = None, uri: str | None = None) -> MlflowListener:
    report = (told if told is not None else []).append
    return MlflowListener(Target(home, uri), PROVENANCE, render_best=render_best, report=report)
