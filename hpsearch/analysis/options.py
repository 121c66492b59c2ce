"""The options of one choice compared: what each would find in equally many trials, and its finalists.

Which trials count: completed and pruned trials count with their best value, since a pruned trial got the budget that
the pruner gave it. Trials that diverged or broke a limit count with the worst value of the study. Failed and unfinished
trials do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hpsearch.analysis.expected_best import METHOD, PROBABILITY_METHOD, expected_best_curve, probability_better
from hpsearch.analysis.statistics import CONFIDENCE, Interval, probability_above_zero
from hpsearch.analysis.verdict import FinalistSummary, judge
from hpsearch.config.file import Objective
from hpsearch.config.space import Options
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Finals
from hpsearch.training.results import GOOD, UNFINISHED, WORST, Outcome


@dataclass(frozen=True)
class Lead:
    """The probability that an option is better than the one that follows it in the ranking.

    Attributes:
        over: the label of the option that follows.
        by_finalists: whether it compares the means of finalists; otherwise the expected best of the trials.
    """

    over: Any
    probability: float
    method: str
    by_finalists: bool


@dataclass(frozen=True)
class OptionSummary:
    """The results of one option.

    Attributes:
        label: of the option, as Optuna stores it.
        gains: a value for each trial that counts, as something to maximize.
        pruned, worst, failed, unfinished: how many of its trials were pruned; diverged or broke a limit; failed; have
            not ended. The first two count.
        epochs: of all its trials together.
        best: the best of the trials that count; None if none has a value.
        curve: the expected best of 1, 2, ... of the trials that count, in units of the objective.
        finalist: the best of its finalists; None without one.
        lead: over the next option; None for the last one, or if there are too few trials.
    """

    label: Any
    gains: tuple[float, ...]
    pruned: int
    worst: int
    failed: int
    unfinished: int
    epochs: int
    best: TrialRecord | None
    curve: tuple[Interval, ...]
    finalist: FinalistSummary | None
    lead: Lead | None = None

    @property
    def trials(self) -> int:
        """The number of trials that count."""
        return len(self.gains)

    @property
    def ranked_finalist(self) -> FinalistSummary | None:
        """The best finalist, if all its trainings ended well."""
        return self.finalist if self.finalist and self.finalist.finalist.mean is not None else None

    def after(self, k: int) -> Interval | None:
        """Return the expected best after k trials; None if fewer count."""
        return self.curve[k - 1] if 0 < k <= self.trials else None

    def plain(self, k: int) -> dict[str, Any]:
        """Return the summary without the curve."""
        after = self.after(k)
        return {
            "option": self.label,
            "trials": self.trials,
            "pruned": self.pruned,
            "diverged_or_over_limits": self.worst,
            "failed": self.failed,
            "unfinished": self.unfinished,
            "epochs": self.epochs,
            "best": self.best.best.value if self.best and self.best.best else None,
            "best_trial": self.best.number if self.best else None,
            "k": k,
            "expected_best": after.plain() if after else None,
            "finalist": self.finalist.finalist.trial if self.finalist else None,
            "finalist_mean": self.finalist.interval.plain() if self.finalist and self.finalist.interval else None,
            "next_option": self.lead.over if self.lead else None,
            "probability_better_than_next": self.lead.probability if self.lead else None,
            "probability_method": self.lead.method if self.lead else None,
        }


@dataclass(frozen=True)
class OptionComparison:
    """The options of a choice, the best first.

    If at least two options have finalists, these come first, by the mean of the best finalist. Then come the others, by
    their expected best after k trials, and last those without a trial that counts.

    Attributes:
        by: the parameter's name.
        sampler: the name of the study's sampler.
        k: the number of trials after which options are compared: the fewest that any option has, of those with trials.
        worst_value: what trials that diverged or broke a limit count with.
    """

    study: str
    objective: Objective
    by: str
    sampler: str
    k: int
    worst_value: float
    options: tuple[OptionSummary, ...]

    def plain(self) -> dict[str, Any]:
        """Return the comparison as `hpsearch compare --by NAME -f json` prints it, without its sentences."""
        return {
            "study": self.study,
            "objective": self.objective.model_dump(mode="json"),
            "by": self.by,
            "k": self.k,
            "confidence": CONFIDENCE,
            "method": METHOD,
            "options": [
                {
                    **option.plain(self.k),
                    "curve": [
                        {"k": k, "mean": at.mean, "low": at.low, "high": at.high}
                        for k, at in enumerate(option.curve, start=1)
                    ],
                }
                for option in self.options
            ],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each option, as `hpsearch compare --by NAME -f csv` prints it."""
        nested = ("expected_best", "finalist_mean")
        rows = [option.plain(self.k) for option in self.options]
        # A missing interval has no columns of its own beside those of the other intervals.
        return [{name: value for name, value in row.items() if name not in nested or value} for row in rows]


def compare_options(
    study: str,
    objective: Objective,
    records: Sequence[TrialRecord],
    choice: Options,
    finals: Finals | None,
    sampler: str = "",
) -> OptionComparison | None:
    """Compare the options of a choice.

    Args:
        records: all trials of the study, by number.
        choice: of the study's space.
        finals: the finalists of the study, or None.
        sampler: the name of the study's sampler.

    Returns:
        The comparison; None if no trial with the choice has a value.
    """
    with_choice = [record for record in records if choice.name in record.params]
    known = [objective.gain(record.best.value) for record in with_choice if _has_value(record) and record.best]
    if not known:
        return None
    summaries = judge(study, finals).finalists if finals else ()
    found = [
        _summarize(
            label,
            [record for record in with_choice if record.params[choice.name] == label],
            [one for one in summaries if _label_of(one, records, choice) == label],
            objective,
            min(known),
        )
        for label in choice.labels
    ]
    k = min(option.trials for option in found if option.trials)

    by_finalists = sum(option.ranked_finalist is not None for option in found) > 1

    def order(option: OptionSummary) -> tuple[int, float]:
        if by_finalists and option.ranked_finalist and option.ranked_finalist.interval:
            return 0, -objective.gain(option.ranked_finalist.interval.mean)
        after = option.after(k)
        return (1, -objective.gain(after.mean)) if after else (2, 0.0)

    ranked = sorted(found, key=order)
    leads = [_lead(ours, theirs, k, objective) for ours, theirs in pairwise(ranked)]
    options = [replace(option, lead=lead) for option, lead in zip(ranked, [*leads, None], strict=True)]
    return OptionComparison(study, objective, choice.name, sampler, k, objective.gain(min(known)), tuple(options))


def _has_value(record: TrialRecord) -> bool:
    """Return whether a trial counts with its own value."""
    return record.outcome in GOOD | {Outcome.PRUNED} and record.best is not None


def _label_of(summary: FinalistSummary, records: Sequence[TrialRecord], choice: Options) -> Any:
    trial = summary.finalist.trial
    return None if trial is None else records[trial].params.get(choice.name)


def _summarize(
    label: Any,
    records: Sequence[TrialRecord],
    finalists: Sequence[FinalistSummary],
    objective: Objective,
    worst_gain: float,
) -> OptionSummary:
    valued = {
        record.number: objective.gain(record.best.value) for record in records if _has_value(record) and record.best
    }
    counted = [record for record in records if record.outcome in GOOD | WORST | {Outcome.PRUNED}]
    gains = tuple(valued.get(record.number, worst_gain) for record in counted)
    curve = expected_best_curve(gains) if gains else ()
    return OptionSummary(
        label=label,
        gains=gains,
        pruned=sum(record.outcome is Outcome.PRUNED for record in records),
        worst=sum(record.outcome in WORST for record in records),
        failed=sum(record.outcome is Outcome.FAILED for record in records),
        unfinished=sum(record.outcome is None or record.outcome in UNFINISHED for record in records),
        epochs=sum(len(record.epochs) for record in records),
        best=max(
            (record for record in records if record.number in valued),
            key=lambda record: valued[record.number],
            default=None,
        ),
        curve=tuple(_in_units(interval, objective) for interval in curve),
        finalist=next(iter(finalists), None),
    )


def _in_units(interval: Interval, objective: Objective) -> Interval:
    """Return an interval of a gain as one of the objective."""
    if objective.direction == "maximize":
        return interval
    low = None if interval.high is None else -interval.high
    high = None if interval.low is None else -interval.low
    return replace(interval, mean=-interval.mean, low=low, high=high)


def _lead(ours: OptionSummary, theirs: OptionSummary, k: int, objective: Objective) -> Lead | None:
    """Return the lead of an option over the next one; None if there are too few trials."""
    if ours.ranked_finalist and theirs.ranked_finalist:
        pairs = _paired_gains(ours.ranked_finalist, theirs.ranked_finalist, objective)
        if len(pairs) > 1:
            probability = probability_above_zero([one - other for one, other in pairs])
            return Lead(theirs.label, probability, f"Student's t over {len(pairs)} paired seeds", True)
    if min(ours.trials, theirs.trials) < k:
        return None
    found = probability_better(ours.gains, theirs.gains, k)
    return None if found is None else Lead(theirs.label, found, PROBABILITY_METHOD, False)


def _paired_gains(ours: FinalistSummary, theirs: FinalistSummary, objective: Objective) -> list[tuple[float, float]]:
    """Return the gains of two finalists for each seed that both were trained with."""
    one, other = (
        {run.config.seed: objective.gain(run.best.value) for run in each.finalist.runs if run.config and run.best}
        for each in (ours, theirs)
    )
    return [(gain, other[seed]) for seed, gain in one.items() if seed in other]
