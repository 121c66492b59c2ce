"""What each trial of a study is to train: its configuration, and the job for a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hpsearch.config.checking import UserDataset, with_normalization
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import SEED, AnyConfig, TrainableConfig, TrialConfig, parse_config
from hpsearch.executors.protocol import Job
from hpsearch.search.contents import Contents
from hpsearch.search.records import CONFIG, CONTENTS, EARLIER, PLANNED, RETRY_OF
from hpsearch.search.resume import Checkpoints
from hpsearch.search.sampling import suggest
from hpsearch.search.storage import StoredStudy
from hpsearch.training.results import EpochMetrics
from hpsearch.training.structure import needs_of, with_engine


@dataclass(frozen=True)
class Jobs:
    """Makes the configurations and the jobs of a study's trials.

    Attributes:
        checkpoints: the files for the state of running trials.
        models: folder for trained models; None: they are not kept.
        contents: digests of the user's own data and modules, as trials are to be trained with them.
        known: what the user's own datasets hold, by name.
    """

    study: StoredStudy
    spec: StudySpec
    checkpoints: Checkpoints
    models: Path | None
    contents: Contents
    known: Mapping[str, UserDataset]

    def config_of(self, trial: optuna.Trial) -> AnyConfig:
        """Return what was planned for a trial, or else what the sampler draws, with engine and normalization chosen.

        Raises:
            InvalidConfigError: two values that are each allowed cannot go together.
        """
        attrs = trial.user_attrs
        if planned := attrs.get(PLANNED):
            return self._completed(parse_config(planned))
        # What is tried again has the seed that it had.
        return self.recipe(suggest(trial, self.spec.space), attrs.get(RETRY_OF, trial.number))

    def recipe(self, drawn: dict[str, Any], number: int) -> AnyConfig:
        """Return the configuration of trial `number` from what was drawn, with engine and normalization chosen.

        Raises:
            InvalidConfigError: two values that are each allowed cannot go together.
        """
        if drawn.get(SEED) is None:
            drawn[SEED] = self.spec.search.seed + number
        return self._completed(self.spec.config(drawn))

    def _completed(self, config: AnyConfig) -> AnyConfig:
        if isinstance(config, TrialConfig):
            return with_normalization(with_engine(config, self.study.engines), self.known)
        return config

    def job(self, trial: optuna.Trial, config: AnyConfig, rows: Sequence[EpochMetrics]) -> Job:
        """Return the job that trains a configuration after the epochs `rows`; what they took is recorded."""
        seconds = sum(row.metrics.get("epoch_seconds", 0.0) for row in rows)
        if rows:
            trial.set_user_attr(EARLIER, seconds)
        return Job(
            trial.number,
            config.plain(),
            self.study.objective.model_dump(mode="json"),
            needs_of(config),
            self.spec.file.limits,
            str(self.checkpoints.file(trial.number)),
            len(rows),
            seconds,
            str(self.models / f"{trial.number}.keras") if self.models else "",
            system_metrics=self.spec.file.system_metrics,
            data=self.contents.of(config).get("data", ""),
            sources=self.contents.expected_sources(),
        )

    def rows_kept(self, waiting: FrozenTrial) -> Sequence[EpochMetrics]:
        """Return the epochs that an interrupted trial goes on after.

        There are none where its checkpoint is gone, or where it was trained with other data or other modules.
        """
        config, contents = waiting.user_attrs.get(CONFIG), waiting.user_attrs.get(CONTENTS)
        if config is not None and not self._are_same(contents, parse_config(config)):
            return ()
        return self.checkpoints.rows_kept(waiting)

    def _are_same(self, contents: Mapping[str, str] | None, config: AnyConfig) -> bool:
        """Whether a trial that began with `contents` would go on with the same; None: an early version began it."""
        now = self.contents.of(config)
        if contents is not None:
            return contents == now
        # That version kept the digests of files with data for the whole study.
        before = "" if isinstance(config, TrainableConfig) else self.study.provenance.data.get(config.data.dataset, "")
        return not before or before == now.get("data")
