"""The forecast for a whole study from a few trained configurations. Pure functions; neither Optuna nor TensorFlow.

drawn     configurations drawn at random from a space
spread    a few of them that cover the values on which the time of an epoch depends
Forecast  how long a study takes at most
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hpsearch.config.distributions import Int
from hpsearch.config.space import FIRST_VALUES, Branch, Options, Pick, Ranged, concrete
from hpsearch.config.trial import TrialConfig

DRAWN = 500
# So many configurations are trained where every combination would be more, and optimizers and workers are not.
MOST = 12


def drawn(space: Branch, seed: int = 0) -> list[TrialConfig]:
    """Return up to 500 configurations drawn independently, every option as likely as another; at least one.

    What a space allows value by value and not together is left out.
    """
    pick = _random_pick(random.Random(seed))
    found = []
    for plain in chain((concrete(space, pick) for _ in range(DRAWN)), [concrete(space, FIRST_VALUES)]):
        try:
            found.append(TrialConfig.model_validate(plain))
        except ValueError:  # pydantic's
            continue
    return found


def _random_pick(source: random.Random) -> Pick:
    def number(node: Ranged) -> int | float:
        of = node.distribution
        if not isinstance(of, Int):
            return of.value(_real(of.low, of.high, of.log))
        if of.log:
            return min(int(of.high), int(_real(of.low, of.high + 1, True)))
        return source.randrange(of.low, of.high + 1, of.step)

    def _real(low: float, high: float, log: bool) -> float:
        drawn = math.exp(source.uniform(math.log(low), math.log(high))) if log else source.uniform(low, high)
        return min(max(drawn, low), high)

    def option(node: Options) -> int:
        return source.randrange(len(node.options))

    return Pick(number, option)


def spread(configs: Sequence[TrialConfig], workers: int) -> list[TrialConfig]:
    """Return a few configurations: every optimizer, architecture and batch size once, then their combinations.

    As many as there are combinations, but at most 12 (or optimizers, where those are more), and at least one a
    worker. Among equals, new model shapes come first.
    """
    combinations = len({_axes(config) for config in configs})
    optimizers = len({config.optimizer.selected() for config in configs})
    wanted = max(workers, min(combinations, max(MOST, optimizers)))
    left, taken, covered = list(configs), list[TrialConfig](), set[Any]()

    def news(config: TrialConfig) -> tuple[int, int, int]:
        axes = _axes(config)
        return _new(axes, covered), _new([axes], covered), _new(_shape(config), covered)

    while left and len(taken) < wanted:
        best = max(left, key=news)
        covered.update(_axes(best), [_axes(best)], _shape(best))
        left.remove(best)
        taken.append(best)
    return taken


def _axes(config: TrialConfig) -> tuple[tuple[str, Any], ...]:
    return (
        ("optimizer", config.optimizer.selected()),
        ("architecture", config.model.selected()),
        ("batch_size", config.batch_size),
    )


def _shape(config: TrialConfig) -> list[tuple[str, Any]]:
    """Return the model's knobs that are no real numbers: widths, filters, activation, normalization."""
    # As text, since not every argument of a user's own builder can be hashed.
    return [(name, repr(value)) for name, value in config.model.knobs().items() if not isinstance(value, float)]


def _new(traits: Iterable[Any], covered: set[Any]) -> int:
    return len(set(traits) - covered)


@dataclass(frozen=True)
class Forecast:
    """How long a study takes if every trial trains for all its epochs.

    Attributes:
        trials, epochs: of the study; epochs of each trial.
        workers: trials at once.
        epoch_seconds: mean over the configurations that were measured.
        compilations: the largest number of compilations; each worker compiles what it has not compiled yet.
        compilation_seconds: the mean time that compilation adds to a first epoch.
        start_seconds: until the first worker has a trial.
    """

    trials: int
    epochs: int
    workers: int
    epoch_seconds: float
    compilations: int
    compilation_seconds: float
    start_seconds: float

    @property
    def seconds(self) -> float:
        work = self.trials * self.epochs * self.epoch_seconds + self.compilations * self.compilation_seconds
        return self.start_seconds + work / min(self.workers, self.trials)

    @property
    def assumptions(self) -> str:
        return (
            f"{self.trials} trials x {self.epochs} epochs x {self.epoch_seconds:.3g} s, and {self.compilations} "
            f"compilations x {self.compilation_seconds:.2g} s, on {min(self.workers, self.trials)} workers, "
            f"after {self.start_seconds:.2g} s of start-up; assuming that trials cost on average what the "
            "configurations above did; pruning and early stopping only shorten it"
        )

    def plain(self) -> dict[str, Any]:
        return {
            "trials": self.trials,
            "epochs_per_trial": self.epochs,
            "seconds_per_epoch": self.epoch_seconds,
            "compilations": self.compilations,
            "seconds_per_compilation": self.compilation_seconds,
            "start_seconds": self.start_seconds,
            "seconds_at_most": self.seconds,
            "assumptions": self.assumptions,
        }


def at_most(seconds: float) -> str:
    """Return `about 12 min at most`."""
    if seconds < 90:
        duration = f"{seconds:.0f} s"
    elif seconds < 90 * 60:
        duration = f"{seconds / 60:.0f} min"
    else:
        duration = f"{seconds / 3600:.1f} h"
    return f"about {duration} at most"
