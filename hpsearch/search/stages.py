"""The parts of a study after its search: each is an Optuna study of its own, with planned trainings.

NAME              the search, which alone the sampler learns from
NAME/finalists    the best trials trained again with new seeds
NAME/final        the winner on all training images
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import optuna

from hpsearch.config.file import NoPruner, Objective
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig
from hpsearch.search.records import BASELINE, OF, PLANNED
from hpsearch.search.storage import ENGINES, IDENTITY, StoredStudy


class Stage(Enum):
    """A part of a study; its value follows the study's name."""

    SEARCH = ""
    FINALISTS = "finalists"
    FINAL = "final"

    @property
    def noun(self) -> str:
        """The noun for one of its trainings."""
        return {Stage.SEARCH: "trial", Stage.FINALISTS: "finalist", Stage.FINAL: "final training"}[self]

    @property
    def plural(self) -> str:
        return "trials" if self is Stage.SEARCH else "trainings"


@dataclass(frozen=True)
class PlannedTraining:
    """What a stage is to train.

    Attributes:
        of: the trial whose configuration it is; None: the Keras default.
        config: with its seed.
    """

    of: int | None
    config: AnyConfig

    @property
    def key(self) -> str:
        return _key(self.of, self.config.plain())


def open_stage(study: StoredStudy, stage: Stage, objective: Objective) -> StoredStudy:
    """Return the stage of a study; made where it is missing."""
    found = optuna.create_study(
        study_name=_name(study, stage), storage=study.storage, direction=objective.direction, load_if_exists=True
    )
    if IDENTITY not in found.user_attrs:
        found.set_user_attr(ENGINES, study.engines)
        found.set_user_attr(IDENTITY, {"objective": objective.model_dump(mode="json")})
    return StoredStudy(study.storage, found)


def find_stage(study: StoredStudy, stage: Stage) -> StoredStudy | None:
    """Return the stage of a study; None where it has not begun."""
    name = _name(study, stage)
    if name not in {known.study_name for known in study.storage.get_all_studies() if IDENTITY in known.user_attrs}:
        return None
    return StoredStudy(study.storage, optuna.load_study(study_name=name, storage=study.storage))


def stage_spec(spec: StudySpec, objective: Objective) -> StudySpec:
    """Return the study file for a later stage: without pruner and timeout."""
    search = spec.search.model_copy(update={"pruner": NoPruner(), "timeout": None})
    return replace(spec, file=spec.file.model_copy(update={"search": search, "objective": objective}))


def plan(stage: StoredStudy, trainings: Iterable[PlannedTraining]) -> int:
    """Enqueue the trainings that the stage lacks; return how many it has in all."""
    trials = stage.optuna.get_trials(deepcopy=False)
    known = {_key(trial.user_attrs.get(OF), trial.user_attrs[PLANNED]) for trial in trials}
    new = [training for training in trainings if training.key not in known]
    for training in new:
        attrs = {PLANNED: training.config.plain(), OF: training.of, BASELINE: training.of is None}
        stage.optuna.enqueue_trial({}, user_attrs=attrs)
    return len(trials) + len(new)


def _key(of: int | None, config: Mapping[str, Any]) -> str:
    return json.dumps([of, config], sort_keys=True)


def _name(study: StoredStudy, stage: Stage) -> str:
    # No study can be called so: the slash is not allowed in a name.
    return f"{study.name}/{stage.value}"
