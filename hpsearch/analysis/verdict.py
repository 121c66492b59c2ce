"""The verdict on a study's finalists: winner, margin, optimism of the search. Pure functions over `Finals`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hpsearch.analysis.statistics import (
    CONFIDENCE,
    Bounds,
    Interval,
    difference_bounds,
    kept_bounds,
    mean_interval,
    paired_difference,
    proportion_interval,
    tolerance_of,
)
from hpsearch.catalogue.datasets import DATASETS
from hpsearch.catalogue.metrics import bounds_of
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.search.stages import Finalist, Finals, TestResult


@dataclass(frozen=True)
class FinalistSummary:
    """A finalist with its results on the validation images.

    Attributes:
        interval: of the mean over its seeds; None where none of its trainings ended well.
        trained, wanted: the number of trainings that ended well, and of all trainings.
        optimism: by how much its trial in the search was better than its mean; None for the Keras default.
        difference: by how much the winner is better, seed by seed; None for the winner, or if a seed has no value.
    """

    finalist: Finalist
    interval: Interval | None
    trained: int
    wanted: int
    optimism: Interval | None
    difference: Interval | None

    def plain(self) -> dict[str, Any]:
        return {
            "trial": self.finalist.trial,
            "label": self.finalist.label,
            "score": self.finalist.score,
            "mean": self.interval.plain() if self.interval else None,
            "optimism": self.optimism.plain() if self.optimism else None,
            "winner_minus_this": self.difference.plain() if self.difference else None,
            "trained": self.trained,
            "trainings": self.wanted,
            "values": list(self.finalist.values),
        }


class AgainstDefault(Enum):
    """The winner compared with the untuned Keras default of its model, on the validation images."""

    BETTER = "better"
    UNCLEAR = "better, but perhaps by chance"
    NOT_BETTER = "not better"
    WORSE = "worse"
    SAME = "the same configuration"

    @property
    def recommendation(self) -> str:
        """The advice to the user; empty if the winner is better."""
        return _RECOMMENDATIONS[self]


_RECOMMENDATIONS = {
    AgainstDefault.BETTER: "",
    AgainstDefault.UNCLEAR: "More seeds (finalists.seeds) would tell; until then the default is as good a choice.",
    AgainstDefault.NOT_BETTER: "Take the default, or search again with more trials or another space.",
    AgainstDefault.WORSE: "Take the default, or search again with more trials or another space.",
    AgainstDefault.SAME: "The search has found nothing better than the default; more trials or another space may.",
}


@dataclass(frozen=True)
class Tested:
    """The results of the reading of the test set.

    Attributes:
        champion: accuracy of the model that is registered; Wilson's interval over the images.
        winner, default: mean accuracies over the seeds.
        over_seeds: winner minus default, seed by seed: the interval shows what other seeds would change.
        over_images: winner minus default, image by image: the interval shows what other test images would change.
    """

    champion: Interval
    result: TestResult
    winner: Interval
    default: Interval | None
    over_seeds: Interval | None
    over_images: Interval | None
    when: str
    examples: int

    def plain(self) -> dict[str, Any]:
        named = {name: getattr(self, name) for name in ("champion", "winner", "default", "over_seeds", "over_images")}
        return {
            "when": self.when,
            "examples": self.examples,
            **{name: interval.plain() if interval else None for name, interval in named.items()},
        }


@dataclass(frozen=True)
class Verdict:
    """The verdict on the finalists of a study.

    Attributes:
        finalists: the best mean first.
        winner: the first of them, once all have been trained.
        default: the Keras default of the winner's model.
        epochs: the number of epochs that validation chose for the winner.
        against_default: the winner compared with `default`; None where one of them has no value for a seed.
        tolerance: how far one more training of the winner may lie from its mean; None where the seeds do not show it.
        no_tolerance: the reason why there is no tolerance; else empty.
        tested: None where the test set was not read for this winner.
        reading_failed: whether a reading of the test set for this winner gave no result.
        audit: a line for every reading of the test set.
    """

    study: str
    metric: str
    finalists: tuple[FinalistSummary, ...]
    winner: FinalistSummary | None
    default: FinalistSummary | None
    against_default: AgainstDefault | None
    epochs: int | None
    tolerance: float | None
    no_tolerance: str
    tested: Tested | None
    reading_failed: bool
    audit: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return the verdict as `hpsearch show STUDY --finalists -f json` prints it."""
        return {
            "study": self.study,
            "metric": self.metric,
            "winner": self.winner.finalist.trial if self.winner else None,
            "epochs": self.epochs,
            "tolerance": self.tolerance,
            "no_tolerance": self.no_tolerance or None,
            "entrants": [summary.plain() for summary in self.finalists],
            "default": self.default.plain() if self.default else None,
            "against_default": {
                "finding": self.against_default.value,
                "recommendation": self.against_default.recommendation or None,
            }
            if self.against_default
            else None,
            "test": self.tested.plain() if self.tested else None,
            "test_readings": list(self.audit),
        }


def judge(study: str, finals: Finals) -> Verdict:
    """Return the verdict on a study's finalists."""
    winner, objective = finals.winner, finals.objective
    bounds = kept_bounds(bounds_of(objective.metric), _all_values(finals))
    finalists = tuple(_summarize(finalist, winner, objective, bounds) for finalist in finals.finalists)
    default = _summarize(finals.default, winner, objective, bounds) if finals.default else None
    tolerance, no_tolerance = (
        tolerance_of(winner.values, useless_value(objective.metric, winner)) if winner else (None, "")
    )
    return Verdict(
        study=study,
        metric=objective.metric,
        finalists=finalists,
        winner=finalists[0] if winner else None,
        default=default,
        against_default=_against(winner, default) if winner and default else None,
        epochs=winner.epochs if winner else None,
        tolerance=tolerance,
        no_tolerance=no_tolerance,
        tested=_tested(finals),
        reading_failed=any(
            winner is not None and reading.winner == winner.trial and not reading.results for reading in finals.readings
        ),
        audit=tuple(reading.line for reading in finals.readings),
    )


def useless_value(metric: str, finalist: Finalist) -> float | None:
    """Return the accuracy of a useless model, 1 / classes, or 0 if the classes are unknown; None for other metrics."""
    if metric.removeprefix("val_") != "accuracy":
        return None
    dataset = finalist.config.data.dataset if isinstance(finalist.config, TrialConfig) else ""
    return 1 / len(DATASETS[dataset].classes) if dataset in DATASETS else 0.0


def _all_values(finals: Finals) -> Iterator[float]:
    for finalist in (*finals.finalists, *([finals.default] if finals.default else [])):
        yield from finalist.values
        if finalist.score is not None:
            yield finalist.score


def _against(winner: Finalist, default: FinalistSummary) -> AgainstDefault | None:
    if winner.config == default.finalist.config:
        return AgainstDefault.SAME
    difference = default.difference
    if difference is None or difference.low is None or difference.high is None:
        return None
    if difference.mean > 0:
        return AgainstDefault.BETTER if difference.low > 0 else AgainstDefault.UNCLEAR
    return AgainstDefault.WORSE if difference.high < 0 else AgainstDefault.NOT_BETTER


def _summarize(
    finalist: Finalist, winner: Finalist | None, objective: Objective, bounds: Bounds | None
) -> FinalistSummary:
    """Return the summary of a finalist, or of the Keras default; `bounds` are those of the metric."""
    values, of_both = finalist.values, difference_bounds(bounds)
    optimism = None
    if finalist.score is not None and values:
        optimism = mean_interval([objective.gain(finalist.score - value) for value in values], bounds=of_both)
    difference = None
    if winner and finalist is not winner and len(values) == len(winner.values):
        ours, theirs = ([objective.gain(value) for value in one.values] for one in (winner, finalist))
        difference = paired_difference(ours, theirs, bounds=of_both)
    interval = mean_interval(values, bounds=bounds) if values else None
    return FinalistSummary(finalist, interval, len(values), len(finalist.runs), optimism, difference)


def _tested(finals: Finals) -> Tested | None:
    champion, reading = finals.champion, finals.reading
    if champion is None or reading is None:
        return None
    ours, theirs = finals.tested(champion.trial), finals.tested(None)
    over_seeds = over_images = None
    bounds = bounds_of("test_accuracy")
    if theirs and [one.seed for one in ours] == [one.seed for one in theirs]:
        over_seeds = paired_difference(_accuracies(ours), _accuracies(theirs), bounds=difference_bounds(bounds))
        over_images = paired_difference(
            _shares(ours, reading.examples),
            _shares(theirs, reading.examples),
            over="test images",
            bounds=difference_bounds(bounds),
        )
    return Tested(
        champion=proportion_interval(sum(row[i] for i, row in enumerate(champion.confusion)), reading.examples),
        result=champion,
        winner=mean_interval(_accuracies(ours), bounds=bounds),
        default=mean_interval(_accuracies(theirs), bounds=bounds) if theirs else None,
        over_seeds=over_seeds,
        over_images=over_images,
        when=reading.when,
        examples=reading.examples,
    )


def _accuracies(models: Sequence[TestResult]) -> list[float]:
    return [model.accuracy for model in models]


def _shares(models: Sequence[TestResult], examples: int) -> list[float]:
    """Return, for each image, the share of the models that classify it correctly."""
    counts = [0] * examples
    for model in models:
        bits = bin(int("1" + model.hits, 16))[3:]
        counts = [had + (bit == "1") for had, bit in zip(counts, bits, strict=False)]
    return [had / len(models) for had in counts]


_PERCENT = f"{CONFIDENCE:.0%}"
# The note in the row of the Keras default.
_NOTES = {AgainstDefault.WORSE: "better than the winner", AgainstDefault.NOT_BETTER: "as good as the winner"}

_COMPARED = {
    AgainstDefault.BETTER: "better than {known}",
    AgainstDefault.UNCLEAR: "better than {known}, but perhaps by chance",
    AgainstDefault.NOT_BETTER: "not better than {known}",
    AgainstDefault.WORSE: "worse than {known}",
}


def rows(verdict: Verdict) -> list[dict[str, Any]]:
    """Return the finalists as a table, the best first, and the Keras default below them."""
    everyone = [*verdict.finalists, *([verdict.default] if verdict.default else [])]
    return [_row(summary, verdict) for summary in everyone]


def _row(summary: FinalistSummary, verdict: Verdict) -> dict[str, Any]:
    note = "winner" if summary is verdict.winner else ""
    if summary is verdict.default and verdict.against_default in _NOTES:
        note = _NOTES[verdict.against_default]
    if summary.trained < summary.wanted:
        note = f"{summary.trained} of {summary.wanted} trainings ended well"
    return {
        "finalist": summary.finalist.label,
        f"mean {verdict.metric} [{_PERCENT}]": _shown(summary.interval),
        "std": summary.interval.std if summary.interval else None,
        "seeds": summary.trained,
        "single score": summary.finalist.score,
        "winner's gain": _shown(summary.difference, "+"),
        "note": note,
    }


def sentences(verdict: Verdict) -> list[str]:
    """Return the sentences about the finalists, the most important first."""
    if verdict.winner is None or verdict.winner.interval is None:
        return ["The finalists have no winner yet."]
    winner, metric = verdict.winner, verdict.metric
    assert winner.interval is not None
    found = [
        f"The winner is {winner.finalist.label}: mean {metric} {winner.interval.shown()} ({_PERCENT}, "
        f"{winner.interval.method})."
    ]
    found += default_sentences(verdict)
    if winner.optimism and winner.finalist.score is not None:
        found.append(
            f"Its single score of {winner.finalist.score:.4f} in the search was optimistic by "
            f"{winner.optimism.shown(sign='+')}."
        )
    if verdict.tested:
        found += _test_sentences(verdict, verdict.tested)
    elif verdict.reading_failed:
        found.append("The reading of the test set for this winner gave no result; the same command reads it again.")
    elif verdict.audit:
        found.append("The test set was read for an earlier winner, and not for this one.")
    return found


def default_sentences(verdict: Verdict) -> list[str]:
    """Return the sentence that compares the winner with the untuned Keras default of its model, and the advice."""
    winner, default, finding = verdict.winner, verdict.default, verdict.against_default
    if winner is None or default is None or winner.interval is None:
        return []
    known = "the untuned Keras default of its model"
    if finding is AgainstDefault.SAME:
        return [f"It is {known}. {finding.recommendation}"]
    if finding is None or default.interval is None or default.difference is None:
        ended = f"{default.trained} of {default.wanted} trainings of it ended well"
        return [f"It was not compared with {known}, since {ended}."]
    found = f"It is {_COMPARED[finding]}".format(known=known)
    means = f"mean {verdict.metric} {winner.interval.mean:.4f} against {default.interval.mean:.4f}"
    gain = f"a gain of {default.difference.shown(sign='+')} ({default.difference.method})"
    return [f"{found}: {means}, {gain}. {finding.recommendation}".strip()]


def _test_sentences(verdict: Verdict, tested: Tested) -> list[str]:
    found = [
        f"Trained on all training images for {verdict.epochs} epochs it has accuracy {tested.winner.shown()} "
        f"({tested.winner.method}) on {tested.examples:,} test images"
    ]
    if tested.default and tested.over_seeds and tested.over_images:
        found[0] += f"; the untuned Keras default of the same model {tested.default.shown()}."
        found.append(
            f"The difference is {tested.over_seeds.shown(sign='+')} ({tested.over_seeds.method}), and "
            f"{tested.over_images.shown(sign='+')} ({tested.over_images.method}): {_finding(tested)}."
        )
    else:
        found[0] += "."
    found.append(
        f"The champion, the model of the first seed, has test accuracy {tested.champion.shown()} "
        f"({tested.champion.method})."
    )
    return found


def _finding(tested: Tested) -> str:
    assert tested.over_seeds
    assert tested.over_images
    ends = [(one.low, one.high) for one in (tested.over_seeds, tested.over_images)]
    if all(low is not None and low > 0 for low, _ in ends):
        return "the tuning helped"
    if all(high is not None and high < 0 for _, high in ends):
        return "the tuning did harm"
    return "no difference that could be told from chance"


def _shown(interval: Interval | None, sign: str = "") -> str:
    return interval.shown(sign=sign) if interval else ""


def markdown(verdict: Verdict) -> str:
    """Return the verdict as a section of a page in Markdown."""
    table = rows(verdict)
    lines = ["### Finalists", "", *sentences(verdict), "", *_markdown_table(table)]
    if verdict.audit:
        lines += ["", "Readings of the test set:", "", *(f"* {line}" for line in verdict.audit)]
    return "\n".join(lines)


def _markdown_table(table: Sequence[dict[str, Any]]) -> list[str]:
    names = list(table[0]) if table else []
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    cells = [[f"{cell:.4f}" if isinstance(cell, float) else str(cell or "") for cell in row.values()] for row in table]
    return [*lines, *("| " + " | ".join(row) + " |" for row in cells)]
