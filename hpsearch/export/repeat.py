"""A configuration trained with several seeds, and then on everything there is: what `hpsearch train` does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpsearch.analysis.statistics import Interval, fitting, mean_interval
from hpsearch.catalogue.metrics import bounds_of
from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig, TrialConfig, watches_epochs, without_validation
from hpsearch.errors import HpsearchError
from hpsearch.export.trainings import Trained, Workers
from hpsearch.search.listeners import Listener
from hpsearch.search.records import epochs_chosen, rates_of, typical
from hpsearch.training.results import Outcome


@dataclass(frozen=True)
class TrainingRequest:
    """What a person asks of a training.

    Attributes:
        seeds: how many; the configuration's own comes first.
        full: train on the validation images too, for as many epochs as they have chosen before.
        test: read the test images; with `full` only for what was trained on everything.
    """

    config: AnyConfig
    objective: Objective
    seeds: int = 1
    full: bool = False
    test: bool = False


@dataclass(frozen=True)
class Part:
    """Trainings that differ by their seeds alone.

    Attributes:
        everything: whether nothing was held out.
        epochs: so many each of them was to have; None: its validation images decided.
    """

    trained: tuple[Trained, ...]
    objective: Objective
    everything: bool = False
    epochs: int | None = None

    def rows(self) -> list[dict[str, Any]]:
        return [one.plain(self.objective) for one in self.trained]

    def summary(self) -> dict[str, Interval]:
        """Mean and interval over the seeds: of the objective's metric, and of test loss and accuracy."""
        values: dict[str, list[float]] = {}
        for one in self.trained:
            best = one.record.best
            figures = {self.objective.metric: best.value if best else math.nan, **one.test}
            for name, value in figures.items():
                if math.isfinite(value):
                    values.setdefault(name, []).append(value)
        return {
            name: mean_interval(of_seeds, bounds=fitting(bounds_of(name), of_seeds))
            for name, of_seeds in values.items()
        }

    def plain(self) -> dict[str, Any]:
        """Of one training what it came to; of several a list, and the summary."""
        about = {"epochs_chosen": self.epochs} if self.epochs is not None else {}
        if len(self.trained) == 1:
            return about | self.rows()[0]
        summary = {name: interval.plain() for name, interval in self.summary().items()}
        return about | {"metric": self.objective.metric, "seeds": self.rows(), "summary": summary}


def repeat(
    request: TrainingRequest, workers: Workers, listeners: Sequence[Listener], report: Callable[[str], None]
) -> list[Part]:
    """Train what is asked for: with validation images, on everything, or first the one and then the other.

    Raises:
        DataError: the dataset cannot be had.
        HpsearchError: what is asked for cannot be had of this configuration, or every training diverged.
    """
    config = request.config
    if isinstance(config, TrainableConfig) and (request.full or request.test):
        option = "--full" if request.full else "--test"
        raise HpsearchError(f"{option}: {config.trainable} is your own training, so only you know its data")
    seeds = seeds_of(config, request.seeds)
    last = not (request.full and isinstance(config, TrialConfig) and needs_validation(config))
    parts = []
    if not request.full or not last:
        configs = dict(enumerate(seeded(config, seed) for seed in seeds))
        trained = workers.train_all(configs, listeners, test=request.test and not request.full)
        parts.append(Part(_some_good(trained, request.objective), request.objective))
    if request.full and isinstance(config, TrialConfig):
        chosen = config.training.last_epoch if last else epochs_chosen(one.record for one in parts[0].trained)
        everything = dict(enumerate(_everything(config, seeds, chosen, parts), start=len(seeds)))
        report(f"training on everything, validation images included, for {chosen} epochs")
        trained = _some_good(workers.train_all(everything, listeners, test=request.test), request.objective)
        parts.append(Part(trained, request.objective, everything=True, epochs=chosen))
    return parts


def _some_good(trained: tuple[Trained, ...], objective: Objective) -> tuple[Trained, ...]:
    """What was trained.

    Raises:
        HpsearchError: all of it diverged at once.
    """
    if all(one.record.best is None for one in trained):
        raise HpsearchError(f"no epoch had a finite {objective.metric}: {Outcome.DIVERGED.value}")
    return trained


def seeds_of(config: AnyConfig, count: int) -> list[int]:
    """Return the configuration's own seed (0 where it has none), and those that follow it."""
    return [((config.seed or 0) + i) % 2**32 for i in range(count)]


def seeded(config: AnyConfig, seed: int) -> AnyConfig:
    """Return the configuration with another seed."""
    if isinstance(config, TrainableConfig):
        return replace(config, seed=seed)
    return config.model_copy(update={"seed": seed})


def needs_validation(config: TrialConfig) -> bool:
    """Return whether a training with validation must come before one on everything: for its epochs, or its rates."""
    if config.data.validation == 0:
        return False
    return config.training.stop_after is None or watches_epochs(config)


def _everything(config: TrialConfig, seeds: Sequence[int], epochs: int, parts: Sequence[Part]) -> list[TrialConfig]:
    """What each seed is trained with on everything; a schedule that looks at epochs does as in a typical training."""
    before = typical((one.record for part in parts for one in part.trained), epochs)
    rates = rates_of(before) if before else []
    return [without_validation(config.model_copy(update={"seed": seed}), epochs, rates) for seed in seeds]
