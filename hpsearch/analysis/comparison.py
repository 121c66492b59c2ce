"""Trials compared: grouped by what varies, each metric with mean, standard deviation and count.

Trials that were pruned or failed have no metrics; they are counted in columns of their own. One that diverged has
a useless model: its accuracy is that of guessing, 1 / classes, and it has no loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, linear_regression, stdev
from typing import Any

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.catalogue.metrics import ACCURACIES, SUMMARY_METRICS, TrainingSummary
from hpsearch.config.file import Compare, Objective, as_number, value_of
from hpsearch.config.trial import TrialConfig, varying_terms
from hpsearch.search.records import TrialRecord
from hpsearch.training.results import GOOD, Outcome

# The outcomes of trials that are measured.
MEASURED = GOOD | {Outcome.DIVERGED}


@dataclass(frozen=True)
class Spread:
    """A metric over the trials of a group; `std` is the sample standard deviation, None for a single trial."""

    mean: float | None
    std: float | None
    count: int

    @staticmethod
    def of(values: Iterable[float | None]) -> Spread:
        """Return the spread of those values that are finite numbers."""
        given = [value for value in values if value is not None and math.isfinite(value)]
        mean = fmean(given) if given else None
        return Spread(mean, stdev(given) if len(given) > 1 else None, len(given))

    def plain(self) -> dict[str, float | int | None]:
        return {"mean": self.mean, "std": self.std, "count": self.count}


@dataclass(frozen=True)
class Measured:
    """A trial that has ended, with its metrics.

    Attributes:
        group, at: its values of `by` and of `best_of`, by name.
        x: its value of the first name in `by`, as a number; None if it is not a number.
        metrics: by name; None where the trial has none.
    """

    record: TrialRecord
    group: Mapping[str, Any]
    at: Mapping[str, Any]
    x: float | None
    metrics: Mapping[str, float | None]

    def plain(self) -> dict[str, Any]:
        """Return a row of the trial's metrics."""
        outcome = self.record.outcome.label if self.record.outcome else None
        seed = self.record.flat.get("seed")
        about = {"number": self.record.number, "seed": seed, "state": self.record.state, "outcome": outcome}
        return {**self.group, **self.at, **about, **self.metrics}


@dataclass(frozen=True)
class Point:
    """The trials that have the values of `by` and `best_of` in common: as a rule one for each seed.

    Attributes:
        selected: whether the mean objective is the best of the group's points.
    """

    group: Mapping[str, Any]
    at: Mapping[str, Any]
    x: float | None
    trials: tuple[Measured, ...]
    metrics: Mapping[str, Spread]
    selected: bool = True

    def count(self, *outcomes: Outcome) -> int:
        return sum(trial.record.outcome in outcomes for trial in self.trials)

    def plain(self) -> dict[str, Any]:
        """Return a row of the metrics with their spread."""
        return {
            **self.group,
            **self.at,
            **({"chosen": self.selected} if self.at else {}),
            "trials": len(self.trials),
            "diverged": self.count(Outcome.DIVERGED),
            "failed": self.count(Outcome.FAILED),
            "pruned": self.count(Outcome.PRUNED),
            **{name: spread.plain() for name, spread in self.metrics.items()},
        }


@dataclass(frozen=True)
class Growth:
    """The power law metric = factor x^exponent, by least squares of the logarithms of the points' means."""

    metric: str
    factor: float
    exponent: float
    standard_error: float | None
    points: int

    def plain(self) -> dict[str, Any]:
        return {
            "figure": self.metric,
            "exponent": self.exponent,
            "standard_error": self.standard_error,
            "factor": self.factor,
            "points": self.points,
        }


@dataclass(frozen=True)
class Comparison:
    """The comparison of a study's trials by what varies.

    Attributes:
        every: all points, in the order of their first trials.
        waiting: the number of trials that have not ended yet.
    """

    study: str
    description: str
    objective: Objective
    section: Compare
    every: tuple[Point, ...]
    growth: tuple[Growth, ...]
    waiting: int

    @property
    def points(self) -> tuple[Point, ...]:
        """The selected point of each group: the one with the best mean objective."""
        return tuple(point for point in self.every if point.selected)

    def plain(self) -> dict[str, Any]:
        """Return the comparison as `hpsearch compare -f json` prints it."""
        return {
            "study": self.study,
            "objective": self.objective.model_dump(mode="json"),
            "by": list(self.section.by),
            "best_of": list(self.section.best_of),
            "target": self.section.target,
            "waiting": self.waiting,
            "points": [point.plain() for point in self.every],
            "growth": [growth.plain() for growth in self.growth],
            "trials": self.raw(),
        }

    def raw(self) -> list[dict[str, Any]]:
        """Return a row for each trial that ended, by number."""
        trials = [trial for point in self.every for trial in point.trials]
        return [trial.plain() for trial in sorted(trials, key=lambda trial: trial.record.number)]


def compare_trials(
    study: str, description: str, objective: Objective, section: Compare, records: Sequence[TrialRecord]
) -> Comparison:
    """Group the trials that have ended, and compute the metrics of the section."""
    ended = [record for record in records if record.outcome not in (None, Outcome.INTERRUPTED)]
    names = list(dict.fromkeys([*section.report, *section.values, *section.growth, objective.metric]))
    every = list(_points([_measured(record, objective, section, names) for record in ended], names))
    if section.best_of:
        best = [_best(points, objective) for points in _together(every, lambda point: _key(point.group))]
        every = [replace(point, selected=any(point is one for one in best)) for point in every]
    selected = [point for point in every if point.selected]
    fits = [fit for name in section.growth if (fit := fit_growth(name, selected))]
    return Comparison(study, description, objective, section, tuple(every), tuple(fits), len(records) - len(ended))


def _measured(record: TrialRecord, objective: Objective, section: Compare, names: Sequence[str]) -> Measured:
    flat = record.flat
    group = {name: value_of(name, record.params, flat) for name in section.by}
    at = {name: value_of(name, record.params, flat) for name in section.best_of}
    training = training_of(record, objective, section.target)
    metrics = {name: SUMMARY_METRICS[name].of(training) if training else None for name in names}
    return Measured(record, group, at, as_number(group[section.by[0]], record.config), metrics)


def training_of(record: TrialRecord, objective: Objective, target: float | None) -> TrainingSummary | None:
    """Return the summary of a trial for the catalogue's metrics; None if its outcome is not in `MEASURED`."""
    if record.outcome not in MEASURED:
        return None
    dataset = record.config.data.dataset if isinstance(record.config, TrialConfig) else ""
    values = [epoch.metrics[objective.metric] for epoch in record.epochs]
    reached = None
    if target is not None:
        # `better` is strict, but a value equal to the target reaches it.
        hits = (epoch for epoch, value in enumerate(values) if value == target or objective.better(value, target))
        reached = next(hits, None)
    return TrainingSummary(
        epochs=[epoch.metrics for epoch in record.epochs],
        best=record.best.epoch - record.epochs[0].epoch if record.best else None,
        reached=reached,
        weights=record.info.get("weights"),
        diverged=record.outcome is Outcome.DIVERGED,
        chance=1 / len(DATASETS[dataset].classes) if dataset in DATASETS else None,
    )


def _key(values: Mapping[str, Any]) -> str:
    # `repr`, since 1 == True in Python.
    return repr(list(values.values()))


def _together(things: Iterable[Any], key: Any) -> list[list[Any]]:
    groups: dict[str, list[Any]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return list(groups.values())


def _points(trials: Sequence[Measured], names: Sequence[str]) -> Iterable[Point]:
    for group in _together(trials, lambda trial: (_key(trial.group), _key(trial.at))):
        metrics = {name: Spread.of(trial.metrics[name] for trial in group) for name in names}
        yield Point(group[0].group, group[0].at, group[0].x, tuple(group), metrics)


def _best(points: Sequence[Point], objective: Objective) -> Point:
    """Return the point with the best mean objective; a trial that has none counts as the worst of all."""

    def score(point: Point) -> float:
        spread = point.metrics[objective.metric]
        mean = spread.mean if spread.count == len(point.trials) else None
        return -math.inf if mean is None else objective.gain(mean)

    return max(points, key=score)


def fit_growth(metric: str, points: Sequence[Point]) -> Growth | None:
    """Return the power law of a metric over x; None if fewer than two values of x have a mean above 0."""
    pairs = [(point.x, point.metrics[metric].mean) for point in points]
    logs = [(math.log(x), math.log(y)) for x, y in pairs if x and y and x > 0 and y > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    xs, ys = [x for x, _ in logs], [y for _, y in logs]
    slope, intercept = linear_regression(xs, ys)
    error = None
    if len(logs) > 2:
        residuals = sum((y - intercept - slope * x) ** 2 for x, y in logs)
        spread = sum((x - fmean(xs)) ** 2 for x in xs)
        error = math.sqrt(residuals / (len(logs) - 2) / spread)
    return Growth(metric, math.exp(intercept), slope, error, len(logs))


def formatted(spread: Spread) -> str:
    """Return `0.8912 ± 0.0021 (5)`: the deviation with two digits, and the mean with as many decimals."""
    if spread.mean is None:
        return "–"
    if not spread.std:
        whole = spread.mean == round(spread.mean) and abs(spread.mean) >= 1
        mean = f"{spread.mean:,.0f}" if whole else f"{spread.mean:.4g}"
        return f"{mean} ({spread.count})" if spread.std is None else f"{mean} ± 0 ({spread.count})"
    digits = max(0, 1 - math.floor(math.log10(spread.std)))
    if digits > 6:
        return f"{spread.mean:.4g} ± {spread.std:.1e} ({spread.count})"
    return f"{spread.mean:,.{digits}f} ± {spread.std:,.{digits}f} ({spread.count})"


def option_text(value: Any) -> str:
    """Return a value of `by` or `best_of` for tables and axes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)


def table(comparison: Comparison) -> list[dict[str, str]]:
    """Return a line for each group, as the terminal and the report show it."""
    lines = []
    for point in comparison.points:
        fate = {"diverged": Outcome.DIVERGED, "failed": Outcome.FAILED, "pruned": Outcome.PRUNED}
        lost = [f"{count} {name}" for name, outcome in fate.items() if (count := point.count(outcome))]
        named = {name.rpartition(".")[2]: option_text(value) for name, value in {**point.group, **point.at}.items()}
        if _is_early(point):
            first = next(iter(named))
            named[first] += " *"
        trials = ", ".join([str(len(point.trials)), *lost])
        metrics = {SUMMARY_METRICS[name].label: formatted(point.metrics[name]) for name in comparison.section.report}
        lines.append({**named, "trials": trials, **metrics})
    return lines


def notes(comparison: Comparison) -> list[str]:
    """Return the remarks that belong to the table, a sentence each."""
    section, points = comparison.section, comparison.points
    metric = comparison.objective.metric
    lines = [
        f"Mean ± standard deviation (number of trials). Metrics are those of the epoch with the best {metric}, "
        "whose weights are restored, unless they say otherwise; accuracies of training are those of the batches as "
        "they were trained on. Times are those of the median epoch, validation included, compilation left out."
    ]
    if section.best_of:
        lines.append(f"Each row is the point with the best mean {metric} among the values of {_and(section.best_of)}.")
    if section.target is not None:
        lines.append(
            f"The target is {metric} {section.target:g}; means to the target are over the trials that reached it."
        )
    lines += _solvers(comparison)
    lines += _incomparable_losses(comparison)
    if any(point.count(Outcome.DIVERGED) for point in comparison.every):
        named = _and(ACCURACIES)
        lines.append(f"A trial that diverged counts with the {named} of guessing (1 / classes), and has no loss.")
    for fit in comparison.growth:
        error = f" ± {fit.standard_error:.2f}" if fit.standard_error is not None else ""
        lines.append(
            f"{capital(SUMMARY_METRICS[fit.metric].title)} grows as {words(section.by[0])} to the power "
            f"{fit.exponent:.2f}{error} (least squares of the logarithms of {fit.points} means, standard error)."
        )
    if comparison.waiting:
        lines.append(f"{comparison.waiting} trials of the study have not ended yet.")
    if any(len(point.trials) == 1 for point in points):
        lines.append("A single trial says nothing about the spread between seeds.")
    return lines


def _is_early(point: Point) -> bool:
    """Return whether the point's optimizer is a solver that was ended before it converged."""
    return any(
        isinstance(config := trial.record.config, TrialConfig)
        and config.optimizer.entry.needs_closure
        and len(trial.record.epochs) >= config.training.last_epoch
        for trial in point.trials
    )


def _solvers(comparison: Comparison) -> Iterator[str]:
    """Yield the remark about solvers beside optimizers that take many steps an epoch."""
    early = [point for point in comparison.points if _is_early(point)]
    if not early:
        return
    others = [trial.record for point in comparison.points if point not in early for trial in point.trials]
    steps = sorted(round(sum(epoch.metrics.get("updates", 0) for epoch in record.epochs)) for record in others)
    evaluations = max(len(trial.record.epochs) for point in early for trial in point.trials)
    names = _and(list(dict.fromkeys(option_text(next(iter(point.group.values()))) for point in early)))
    beside = f", where the others made {steps[len(steps) // 2]:,} updates" if steps else ""
    yield (
        f"* An epoch of {names} is one evaluation of the loss and its gradient on all training examples, and at most "
        f"one step: {evaluations} in all{beside}. It had not converged: its values are the result of "
        "this many passes over the data, not its best possible result."
    )


def _incomparable_losses(comparison: Comparison) -> Iterator[str]:
    """Yield a remark for each column of losses that differ between rows in what they measure."""
    records = [trial.record for point in comparison.points for trial in point.trials]
    configs = [record.config for record in records if isinstance(record.config, TrialConfig)]
    for name in comparison.section.report:
        if varying := varying_terms(config.loss_terms(name.removeprefix("final_")) for config in configs):
            yield (
                f"{capital(SUMMARY_METRICS[name].title)} cannot be compared between rows that differ in "
                f"{_and(varying)}; val_cross_entropy can (`training.metrics: [cross_entropy]`)."
            )


def words(name: str) -> str:
    """Return the name of `training.early_stopping` for sentences and axes: `early stopping`."""
    return name.rpartition(".")[2].replace("_", " ")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
