"""The trial that is exported, and the figure that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hpsearch.config.file import Objective
from hpsearch.config.own import OwnConfig, Recipe, recipe_of
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import HpsearchError
from hpsearch.export.again import Place
from hpsearch.export.figure import Figure, figure_of, told
from hpsearch.search.records import TrialRecord


@dataclass(frozen=True)
class Chosen:
    """A trial of a study.

    Attributes:
        study: its study's name.
        objective: the study's.
        given: a figure of more trainings than this one; None: the trial's own.
        kept: of the finalists' winner the file of the champion, which was trained on everything; None: there is none.
    """

    study: str
    objective: Objective
    record: TrialRecord
    given: Figure | None = None
    kept: Path | None = None

    @property
    def name(self) -> str:
        return f"trial {self.record.number} of '{self.study}'"

    @property
    def recipe(self) -> Recipe:
        """What it trained.

        Raises:
            HpsearchError: it has not run yet.
        """
        if self.record.config is None:
            raise HpsearchError(f"{self.name} has not run yet, so it has no configuration")
        return recipe_of(self.record.config)

    @property
    def config(self) -> TrialConfig:
        """What hpsearch's own trainer trained.

        Raises:
            HpsearchError: it has not run yet, or it is a user's own training.
        """
        recipe = self.recipe
        if isinstance(recipe, OwnConfig):
            raise HpsearchError(f"{recipe.trainable} is your own training, which can be exported as yaml or json only")
        return recipe

    def figure(self, place: Place) -> Figure | None:
        """What it is held against; None where it did not run to its end."""
        figure = self.given or figure_of(self.record, self.objective)
        recipe = self.recipe
        if figure and figure.tolerance is None and isinstance(recipe, TrialConfig):
            # Of a user's own dataset the validation examples have to be counted.
            return figure_of(self.record, self.objective, len(place.data(recipe.data).validation))
        return figure

    def own_value(self, place: Place) -> float | None:
        """What the trial itself reached, with its own seed."""
        own = replace(self, given=None).figure(place)
        return own.value if own else None

    def about(self, place: Place) -> str:
        """Where it comes from and what it reached."""
        return " ".join(told(self.study, self.objective, self.record, self.figure(place)))
