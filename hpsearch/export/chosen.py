"""The trial that is exported, and what another training of it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.file import Objective
from hpsearch.config.trial import AnyConfig, TrainableConfig, TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.export.again import Place
from hpsearch.export.figure import ACCURACY, Figure, Repeated, figure_of, told
from hpsearch.search.records import TrialRecord


@dataclass(frozen=True)
class Chosen:
    """A trial of a study.

    Attributes:
        study: its study's name.
        objective: the study's.
        winner: of the finalists' winner its trainings with new seeds; None: it is compared by its own values.
        kept: of the finalists' winner the file of the champion, which was trained on everything; None: there is none.
    """

    study: str
    objective: Objective
    record: TrialRecord
    winner: Repeated | None = None
    kept: Path | None = None

    @property
    def name(self) -> str:
        return f"trial {self.record.number} of '{self.study}'"

    @property
    def recipe(self) -> AnyConfig:
        """What it trained.

        Raises:
            HpsearchError: it has not run yet.
        """
        if self.record.config is None:
            raise HpsearchError(f"{self.name} has not run yet, so it has no configuration")
        return self.record.config

    @property
    def config(self) -> TrialConfig:
        """What hpsearch's own trainer trained.

        Raises:
            HpsearchError: it has not run yet, or it is a user's own training.
        """
        recipe = self.recipe
        if isinstance(recipe, TrainableConfig):
            raise HpsearchError(f"{recipe.trainable} is your own training, which can be exported as yaml or json only")
        return recipe

    def figure(self, place: Place, metric: str = ACCURACY) -> Figure | None:
        """What another training is compared with; None where the trial did not run to its end.

        Args:
            metric: what it is to be compared by, if the finalists give its mean and a tolerance; else a Keras training
                is compared by its validation accuracy, a user's own training by the objective.
        """
        recipe = self.recipe
        wanted = self.objective.metric if isinstance(recipe, TrainableConfig) else metric
        if self.winner and wanted in self.winner.figures:
            return self.winner.figures[wanted]
        figure = figure_of(self.record, self.objective)
        own = recipe if isinstance(recipe, TrialConfig) and recipe.data.dataset not in DATASETS else None
        if figure and figure.tolerance is None and own:
            # Of a user's own dataset the validation examples have to be counted.
            return figure_of(self.record, self.objective, len(place.data(own.data).validation))
        return figure

    def own_value(self, metric: str) -> float | None:
        """What the trial itself reached at its best epoch, with its own seed."""
        return self.record.best_metrics.get(metric)

    def about(self, place: Place) -> str:
        """Return sentences about its origin and its value."""
        return " ".join(told(self.study, self.objective, self.record, self.figure(place), self.winner))
