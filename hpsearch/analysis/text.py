"""A comparison in words: the cells and lines of its table, and what a reader of it must know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from hpsearch.analysis.comparison import Comparison, Point, Spread
from hpsearch.catalogue.metrics import ACCURACIES, SUMMARY_METRICS
from hpsearch.config.trial import TrialConfig, varying_terms
from hpsearch.training.results import Outcome


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


def option(value: Any) -> str:
    """Return a value of `by` or `best_of` as people read it."""
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
        named = {name.rpartition(".")[2]: option(value) for name, value in {**point.group, **point.at}.items()}
        if _is_early(point):
            first = next(iter(named))
            named[first] += " *"
        trials = ", ".join([str(len(point.trials)), *lost])
        figures = {SUMMARY_METRICS[name].label: formatted(point.figures[name]) for name in comparison.section.report}
        lines.append({**named, "trials": trials, **figures})
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
            f"{capital(SUMMARY_METRICS[fit.figure].title)} grows as {words(section.by[0])} to the power "
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
        and len(trial.record.rows) >= config.training.last_epoch
        for trial in point.trials
    )


def _solvers(comparison: Comparison) -> Iterator[str]:
    """Yield the remark about solvers beside optimizers that take many steps an epoch."""
    early = [point for point in comparison.points if _is_early(point)]
    if not early:
        return
    others = [trial.record for point in comparison.points if point not in early for trial in point.trials]
    steps = sorted(round(sum(row.metrics.get("updates", 0) for row in record.rows)) for record in others)
    evaluations = max(len(trial.record.rows) for point in early for trial in point.trials)
    names = _and(list(dict.fromkeys(option(next(iter(point.group.values()))) for point in early)))
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
