"""The configuration of each trial of a study, and its job for a worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hpsearch.config.checking import UserDataset, with_normalization
from hpsearch.config.distributions import Int
from hpsearch.config.space import Branch, Options, Pick, Ranged, concrete
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import SEED, AnyConfig, TrainableConfig, TrialConfig, parse_config
from hpsearch.errors import InvalidConfigError
from hpsearch.executors.protocol import Job, WorkerSlot
from hpsearch.search.contents import Contents
from hpsearch.search.records import CONFIG, CONTENTS, CONTINUES, EARLIER, PLANNED, RETRY_OF, enqueued_params, epochs_of
from hpsearch.search.sampling import suggest
from hpsearch.search.storage import StoredStudy
from hpsearch.training.checkpoint import count_resumable_epochs
from hpsearch.training.results import EpochMetrics
from hpsearch.training.structure import needs_of, with_engine


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a study's trials, a file each; workers write them.

    Attributes:
        folder: the folder of the files; created with the first file.
    """

    folder: Path

    def file(self, trial: int) -> Path:
        return self.folder / f"{trial}.npz"

    def resumable_epochs(self, waiting: FrozenTrial) -> tuple[EpochMetrics, ...]:
        """Return the epochs after which an interrupted trial continues; empty if it starts again."""
        config, epochs = waiting.user_attrs.get(CONFIG), epochs_of(waiting)
        return epochs[: count_resumable_epochs(self.file(waiting.number), config, epochs)] if config else ()

    def rename(self, trial: int, new: int) -> None:
        """Give the checkpoint of a trial to another one."""
        with suppress(OSError):
            self.file(trial).replace(self.file(new))

    def forget(self, trial: int) -> None:
        with suppress(OSError):
            self.file(trial).unlink()

    def tidy(self, unfinished: Collection[int]) -> None:
        """Remove what a coordinator left when it died: checkpoints of ended trials, and partly written files."""
        names = {self.file(number).name for number in unfinished}
        for file in self.folder.glob("*"):
            if file.name not in names:
                with suppress(OSError):
                    file.unlink()


@dataclass(frozen=True)
class Jobs:
    """Makes the configurations and the jobs of a study's trials.

    Attributes:
        checkpoints: the files for the state of running trials.
        models: the folder for trained models; None if they are not kept.
        contents: digests of the user's own data and modules with which trials are to be trained.
        user_datasets: shape, type and size of the user's own datasets, by name.
    """

    study: StoredStudy
    spec: StudySpec
    checkpoints: Checkpoints
    models: Path | None
    contents: Contents
    user_datasets: Mapping[str, UserDataset]

    def config_of(self, trial: optuna.Trial) -> AnyConfig:
        """Return the planned or drawn configuration of a trial, with engine and normalization chosen.

        Raises:
            InvalidConfigError: two values that are each allowed are not allowed together.
        """
        attrs = trial.user_attrs
        if planned := attrs.get(PLANNED):
            return self._completed(parse_config(planned))
        if CONTINUES in attrs:
            # Optuna stores the parameters of an enqueued trial when they are suggested.
            suggest(trial, self.spec.space)
            return parse_config(attrs[CONFIG])
        # A configuration that is tried again keeps its seed.
        return self.config_from(suggest(trial, self.spec.space), attrs.get(RETRY_OF, trial.number))

    def config_from(self, drawn: dict[str, Any], number: int) -> AnyConfig:
        """Return the configuration of trial `number` from drawn values, with engine and normalization chosen.

        Raises:
            InvalidConfigError: two values that are each allowed are not allowed together.
        """
        if drawn.get(SEED) is None:
            drawn[SEED] = self.spec.search.seed + number
        return self._completed(self.spec.config(drawn))

    def _completed(self, config: AnyConfig) -> AnyConfig:
        if isinstance(config, TrialConfig):
            return with_normalization(with_engine(config, self.study.engines), self.user_datasets)
        return config

    def job(self, trial: optuna.Trial, config: AnyConfig, epochs: Sequence[EpochMetrics]) -> Job:
        """Return the job that trains a configuration; `epochs` are already trained, and their time is recorded."""
        seconds = sum(epoch.metrics.get("epoch_seconds", 0.0) for epoch in epochs)
        if epochs:
            trial.set_user_attr(EARLIER, seconds)
        return Job(
            trial.number,
            config.plain(),
            self.study.objective.model_dump(mode="json"),
            needs_of(config),
            self.spec.file.limits,
            str(self.checkpoints.file(trial.number)),
            len(epochs),
            seconds,
            str(self.models / f"{trial.number}.keras") if self.models else "",
            system_metrics=self.spec.file.system_metrics,
            data_digest=self.contents.for_config(config).get("data", ""),
            source_digests=self.contents.expected_sources(),
        )

    def resumable_epochs(self, waiting: FrozenTrial) -> Sequence[EpochMetrics]:
        """Return the epochs after which an interrupted trial continues.

        There are none if its checkpoint is gone, or if it was trained with other data or other modules.
        """
        config, contents = waiting.user_attrs.get(CONFIG), waiting.user_attrs.get(CONTENTS)
        if config is not None and not self._are_same(contents, parse_config(config)):
            return ()
        return self.checkpoints.resumable_epochs(waiting)

    def _are_same(self, contents: Mapping[str, str] | None, config: AnyConfig) -> bool:
        """Return whether a trial began with the present contents; `contents` is None for one of an early version."""
        now = self.contents.for_config(config)
        if contents is not None:
            return contents == now
        # An early version kept one digest of each data file for the whole study.
        before = "" if isinstance(config, TrainableConfig) else self.study.provenance.data.get(config.data.dataset, "")
        return not before or before == now.get("data")


# The fixed cost of an update, as a number of examples that takes as long: an MLP's epoch takes 1.4 times as long at
# batch 64 as at 512.
UPDATE_COST = 30


def choose_waiting(
    waiting: Sequence[FrozenTrial], space: Branch, engines: Mapping[str, str], slots: Sequence[WorkerSlot]
) -> FrozenTrial:
    """Return the waiting trial to start now.

    Prefer the most functions already compiled on a free worker, then the fewest compiled on busy ones, then the longest
    training.

    Args:
        waiting: at least one trial; interrupted and enqueued trials by number, then retries by number.
        space: the space of the study.
        engines: what `engine: auto` means; empty if the user's own function trains.
        slots: the worker slots of the executor; at least one is free.
    """
    if len(waiting) == 1 or len(slots) == 1:
        return waiting[0]
    free = [slot.compiled for slot in slots if not slot.busy]
    busy = frozenset[str]().union(*(slot.compiled for slot in slots if slot.busy))

    def preference(trial: FrozenTrial) -> tuple[int, int, float]:
        config = _outline(trial, space) if engines else None
        if not isinstance(config, TrialConfig):
            return 0, 0, 0.0
        needs = needs_of(with_engine(config, engines))
        cost = config.training.max_epochs * (1 + UPDATE_COST / config.examples_per_update)
        return max(len(needs & compiled) for compiled in free), -len(needs & busy), cost

    return max(waiting, key=preference)


def _outline(trial: FrozenTrial, space: Branch) -> AnyConfig | None:
    """Return the configuration of a trial as far as it is fixed; None if the result is invalid.

    Other values are `low` for an integer range, the midpoint of a real range, and the first option of a choice.
    """
    if planned := trial.user_attrs.get(PLANNED):
        return parse_config(planned)
    fixed = {**enqueued_params(trial), **trial.params}

    def number(node: Ranged) -> int | float:
        distribution = node.distribution
        if isinstance(distribution, Int):
            return int(fixed.get(node.name, distribution.low))
        x: float = fixed.get(node.name, (distribution.low + distribution.high) / 2)
        return distribution.value(x)

    def option(node: Options) -> int:
        return node.labels.index(fixed[node.name]) if fixed.get(node.name) in node.labels else 0

    try:
        return parse_config(concrete(space, Pick(number, option)))
    except InvalidConfigError:
        return None
