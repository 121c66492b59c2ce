"""What a study's finalists say: who won, by how much, how optimistic the search was. Pure functions over `Finals`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpsearch.analysis.statistics import (
    Interval,
    mean_interval,
    paired_difference,
    prediction_half_width,
    proportion_interval,
)
from hpsearch.config.file import Objective
from hpsearch.search.finals import Entrant, FinalFigures, Finals


@dataclass(frozen=True)
class Standing:
    """An entrant with its figures on the validation images.

    Attributes:
        interval: of the mean over its seeds; None where none of its trainings ended well.
        trained, wanted: how many trainings ended well, and how many there are.
        optimism: by how much its single trial was better than its mean; None of the Keras default.
        difference: mean of the winner minus this one, seed by seed, where it is better if larger; None of the winner.
    """

    entrant: Entrant
    interval: Interval | None
    trained: int
    wanted: int
    optimism: Interval | None
    difference: Interval | None

    def plain(self) -> dict[str, Any]:
        return {
            "trial": self.entrant.trial,
            "label": self.entrant.label,
            "score": self.entrant.score,
            "mean": self.interval.plain() if self.interval else None,
            "optimism": self.optimism.plain() if self.optimism else None,
            "winner_minus_this": self.difference.plain() if self.difference else None,
            "trained": self.trained,
            "trainings": self.wanted,
            "values": list(self.entrant.values),
        }


@dataclass(frozen=True)
class Tested:
    """The one reading of the test set.

    Attributes:
        champion: accuracy of the model that is registered; Wilson's interval over the images.
        winner, default: means over the seeds.
        over_seeds: winner minus default, seed by seed: what another training would change.
        over_images: winner minus default, image by image: what other test images would change.
    """

    champion: Interval
    figures: FinalFigures
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
    """Everything that the finalists of a study say.

    Attributes:
        entrants: the best mean first.
        winner: the first of them, once all have been trained.
        default: the Keras default of the winner's model.
        epochs: that validation chose for the winner.
        tolerance: how far one more training of the winner may lie from its mean.
        tested: None where the test set was not read for this winner.
        audit: a line for every reading of the test set.
    """

    study: str
    metric: str
    entrants: tuple[Standing, ...]
    winner: Standing | None
    default: Standing | None
    epochs: int | None
    tolerance: float | None
    tested: Tested | None
    audit: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The interface of `hpsearch finalists -f json`."""
        return {
            "study": self.study,
            "metric": self.metric,
            "winner": self.winner.entrant.trial if self.winner else None,
            "epochs": self.epochs,
            "tolerance": self.tolerance,
            "entrants": [standing.plain() for standing in self.entrants],
            "default": self.default.plain() if self.default else None,
            "test": self.tested.plain() if self.tested else None,
            "test_readings": list(self.audit),
        }


def judge(study: str, finals: Finals) -> Verdict:
    """What the finalists say."""
    winner, objective = finals.winner, finals.objective
    entrants = tuple(_standing(entrant, winner, objective) for entrant in finals.entrants)
    several = winner is not None and len(winner.values) > 1
    return Verdict(
        study=study,
        metric=objective.metric,
        entrants=entrants,
        winner=entrants[0] if winner else None,
        default=_standing(finals.default, winner, objective) if finals.default else None,
        epochs=winner.epochs if winner else None,
        tolerance=prediction_half_width(winner.values) if winner and several else None,
        tested=_tested(finals),
        audit=tuple(reading.line for reading in finals.readings),
    )


def _standing(entrant: Entrant, winner: Entrant | None, objective: Objective) -> Standing:
    values = entrant.values
    optimism = None
    if entrant.score is not None and values:
        optimism = mean_interval([objective.gain(entrant.score - value) for value in values])
    difference = None
    if winner and entrant is not winner and len(values) == len(winner.values):
        ours, theirs = ([objective.gain(value) for value in one.values] for one in (winner, entrant))
        difference = paired_difference(ours, theirs)
    interval = mean_interval(values) if values else None
    return Standing(entrant, interval, len(values), len(entrant.runs), optimism, difference)


def _tested(finals: Finals) -> Tested | None:
    champion, reading = finals.champion, finals.reading
    if champion is None or reading is None:
        return None
    ours, theirs = finals.tested(champion.trial), finals.tested(None)
    over_seeds = over_images = None
    if theirs and [one.seed for one in ours] == [one.seed for one in theirs]:
        over_seeds = paired_difference(_accuracies(ours), _accuracies(theirs))
        over_images = paired_difference(
            _shares(ours, reading.examples), _shares(theirs, reading.examples), over="test images"
        )
    return Tested(
        champion=proportion_interval(sum(row[i] for i, row in enumerate(champion.confusion)), reading.examples),
        figures=champion,
        winner=mean_interval(_accuracies(ours)),
        default=mean_interval(_accuracies(theirs)) if theirs else None,
        over_seeds=over_seeds,
        over_images=over_images,
        when=reading.when,
        examples=reading.examples,
    )


def _accuracies(models: Sequence[FinalFigures]) -> list[float]:
    return [model.accuracy for model in models]


def _shares(models: Sequence[FinalFigures], examples: int) -> list[float]:
    """Of each image the share of the models that got it right."""
    counts = [0] * examples
    for model in models:
        bits = bin(int("1" + model.hits, 16))[3:]
        counts = [had + (bit == "1") for had, bit in zip(counts, bits, strict=False)]
    return [had / len(models) for had in counts]
