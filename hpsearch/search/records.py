"""TrialRecord: a stored trial, read from Optuna and parsed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, parse_config
from hpsearch.errors import HpsearchError, InvalidConfigError
from hpsearch.training.results import GOOD, UNFINISHED, Best, EpochMetrics, Outcome, best_of

# The names of the user attributes for data that Optuna has no field for.
CONFIG = "config"
OUTCOME = "outcome"
DETAIL = "detail"
BASELINE = "baseline"
# In a stage after the search: the planned configuration of a training, and the trial that it trains again.
PLANNED = "planned"
OF = "of"
# For a trial that tries a failed configuration again: the first trial that had this configuration.
RETRY_OF = "retry_of"
# For a trial that takes over a paused trial of an earlier search: the number of that trial.
CONTINUES = "continues"
INFO = "facts"
TRACEBACK = "traceback"
WORKER_FAILURES = "losses"
EARLIER = "earlier_seconds"
# The time when an interrupted or paused trial was sent to a worker again; and the time when it was paused.
STARTED = "started"
PAUSED_AT = "paused_at"
# With the epoch of a rung: how many trials had reached a rung of the study before.
RUNG_PREFIX = "rung:"
# In place of the epoch: the end of a trial.
END = 0
EPOCH_PREFIX = "epoch:"
# The digests of the user's own data and modules that a trial was trained with.
CONTENTS = "contents"
# Optuna's states of a trial that has ended.
FINISHED = frozenset({"COMPLETE", "PRUNED", "FAIL"})


@dataclass(frozen=True)
class TrialRecord:
    """A stored trial.

    Attributes:
        number: from 0, as in Optuna.
        state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING, as in Optuna.
        outcome: how it ended or was interrupted; None while neither.
        config: the configuration; None before the trial first ran.
        epochs: the metrics of its finished epochs.
        best: its best epoch by the study's objective; None before the first, and for a diverged trial.
        seconds: wall time from start to end, without interruptions; None before its end.
        detail: one line about a failure, else empty.
        baseline: whether it trains an optimizer with the default arguments of Keras; in a later stage, the untuned
            Keras default of the winner's model.
        params: the sampled parameters by their Optuna names.
        info: what the worker reported about the training, for instance the number of weights.
        traceback: of a failure, else empty.
        started: when it was last sent to a worker; None while it waits.
        ended: when it ended; None before that.
        worker_failures: why its worker failed, for each failure.
        of: in a later stage, the trial whose configuration it trains; None for the Keras default, and in the search.
        metric: the name of the objective's metric; empty outside of a study.
        retry_of: the failed trial whose configuration it tries again, or None.
        rungs: its place in the order in which trials reached rungs and ended, for the epoch of each rung that it has
            reached, and for its end under the key END.
        continues: the paused trial of an earlier search that it takes over, with its epochs, or None.
        contents: the digests of the user's own dataset (`data`) and modules (`sources`) that it was trained with.
    """

    number: int
    state: str
    outcome: Outcome | None
    config: AnyConfig | None
    epochs: tuple[EpochMetrics, ...]
    best: Best | None
    seconds: float | None = None
    detail: str = ""
    baseline: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    traceback: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    worker_failures: tuple[str, ...] = ()
    of: int | None = None
    contents: Mapping[str, str] = field(default_factory=dict)
    retry_of: int | None = None
    continues: int | None = None
    metric: str = ""
    rungs: Mapping[int, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether it ran to its end, so that it can be the best trial."""
        return self.outcome in GOOD

    @property
    def best_metrics(self) -> Mapping[str, float]:
        """The metrics of its best epoch; empty if it has none."""
        return self.epochs[self.best.epoch - 1].metrics if self.best else {}

    @property
    def flat(self) -> dict[str, Any]:
        """The configuration by plain names, as `TrialConfig.flat`; empty before the trial first ran."""
        return self.config.flat() if self.config else {}

    @property
    def reason(self) -> str:
        """Why it ended or was interrupted, in one line; empty while neither."""
        return self.detail or (self.outcome.value if self.outcome else "")

    def summary(self) -> dict[str, Any]:
        """Return the trial as `hpsearch trials -f json` prints it."""
        return {
            "number": self.number,
            "state": self.state,
            "outcome": self.outcome.label if self.outcome else None,
            "reason": self.reason,
            "value": self.best.value if self.best else None,
            "epoch": self.best.epoch if self.best else None,
            "params": self.flat,
            "seconds": self.seconds,
        }


def read_trial(trial: FrozenTrial, objective: Objective) -> TrialRecord:
    """Return the record of a trial.

    Raises:
        HpsearchError: another version of hpsearch trained the trial, with a configuration that this version refuses.
    """
    attrs, epochs = trial.user_attrs, epochs_of(trial)
    finished = trial.state.is_finished()
    outcome = Outcome[attrs[OUTCOME]] if attrs.get(OUTCOME) else None
    # An interrupted or paused trial stays RUNNING in the storage, and waits to be continued.
    waits = trial.state == TrialState.WAITING or (outcome in UNFINISHED and not finished)
    continued = attrs.get(STARTED)
    started = datetime.fromisoformat(continued) if continued else trial.datetime_start
    # A trial that is pruned while it is paused ended when it was paused.
    paused = datetime.fromisoformat(attrs[PAUSED_AT]) if attrs.get(PAUSED_AT) else None
    ended = paused or trial.datetime_complete if finished else None
    return TrialRecord(
        number=trial.number,
        state=TrialState.WAITING.name if waits else trial.state.name,
        outcome=outcome,
        config=_config_of(trial),
        epochs=epochs,
        best=best_of(epochs, objective) if outcome is not Outcome.DIVERGED else None,
        seconds=round((attrs.get(EARLIER) or 0.0) + (ended - started).total_seconds(), 3)
        if ended and started
        else None,
        detail=attrs.get(DETAIL) or "",
        baseline=bool(attrs.get(BASELINE)),
        params=trial.params,
        info=attrs.get(INFO) or {},
        traceback=attrs.get(TRACEBACK) or "",
        started=started if not waits or paused else None,
        ended=ended,
        worker_failures=tuple(failure["reason"] for failure in attrs.get(WORKER_FAILURES, [])),
        of=attrs.get(OF),
        contents=attrs.get(CONTENTS, {}),
        retry_of=attrs.get(RETRY_OF),
        continues=attrs.get(CONTINUES),
        metric=objective.metric,
        rungs=rungs_of(trial),
    )


def _config_of(trial: FrozenTrial) -> AnyConfig | None:
    plain = trial.user_attrs.get(CONFIG)
    try:
        return parse_config(plain) if plain else None
    except InvalidConfigError as error:
        raise HpsearchError(
            f"trial {trial.number} was trained by another version of hpsearch with a configuration that this version "
            f"refuses: {error}; read the study with that version"
        ) from None


def enqueued_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters that a trial was enqueued with."""
    params: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return params


def epochs_of(trial: optuna.Trial | FrozenTrial) -> tuple[EpochMetrics, ...]:
    """Return the finished epochs of a trial, in order."""
    attrs = trial.user_attrs.items()
    found = (
        EpochMetrics.of(value, int(key.removeprefix(EPOCH_PREFIX)))
        for key, value in attrs
        if key.startswith(EPOCH_PREFIX) and value
    )
    return tuple(sorted(found, key=lambda epoch: epoch.epoch))


def rungs_of(trial: FrozenTrial) -> dict[int, int]:
    """Return when a trial reached each rung; see `TrialRecord.rungs`."""
    attrs = trial.user_attrs.items()
    return {int(key.removeprefix(RUNG_PREFIX)): order for key, order in attrs if key.startswith(RUNG_PREFIX)}


def rates_of(record: TrialRecord) -> list[float]:
    """Return the learning rate of each epoch; empty for L-BFGS, which has none."""
    return [epoch.metrics["learning_rate"] for epoch in record.epochs if "learning_rate" in epoch.metrics]


def ranked(records: Iterable[TrialRecord], objective: Objective) -> list[TrialRecord]:
    """Return the good trials, the best first; among equals the lowest number first."""
    values = [(-objective.gain(r.best.value), r.number, r) for r in records if r.good and r.best]
    return [record for _, _, record in sorted(values, key=lambda value: value[:2])]


def best_trial(records: Iterable[TrialRecord], objective: Objective) -> TrialRecord | None:
    """Return the best good trial, or None."""
    return next(iter(ranked(records, objective)), None)


def epochs_chosen(records: Iterable[TrialRecord]) -> int:
    """Return the median of the best epochs of several trainings of one configuration, at least 1."""
    return max(1, round(median(record.best.epoch for record in records if record.best)))


def most_typical(records: Iterable[TrialRecord], epochs: int) -> TrialRecord | None:
    """Return the training whose best epoch is closest to `epochs`, or None if no training has a best epoch."""
    away = [(abs(record.best.epoch - epochs), i, record) for i, record in enumerate(records) if record.best]
    return min(away)[2] if away else None


def outcomes(records: Iterable[TrialRecord]) -> dict[str, int]:
    """Return `{"completed": 7, "early_stopped": 2, "pruned": 2, "diverged": 1}`: how often each outcome occurs."""
    tally = Counter(record.outcome for record in records)
    return {outcome.label: tally[outcome] for outcome in Outcome if tally[outcome]}


def states(records: Iterable[TrialRecord]) -> dict[str, int]:
    """Return the number of trials in each state: those of `counts`, `running` and `waiting`."""
    records = list(records)
    tally = Counter(record.state for record in records)
    return counts(records) | {"running": tally["RUNNING"], "waiting": tally["WAITING"]}


def counts(records: Iterable[TrialRecord]) -> dict[str, int]:
    """Return the number of trials in each of Optuna's final states: `{"complete": 9, "pruned": 3, "failed": 0}`."""
    names = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
    tally = Counter(record.state for record in records)
    return {label: tally[state] for label, state in names.items()}
