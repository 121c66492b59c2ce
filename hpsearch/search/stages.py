"""The stages of a study: its search, its finalists, its final trainings; and the results of the later ones.

NAME              the search, from which alone the sampler learns
NAME/finalists    the best trials, and the Keras default of the winner's model, trained with new seeds
NAME/final        the winner and that default, trained on all training images

Each stage is an Optuna study of its own. Trainings of the later stages are planned before they run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from statistics import fmean
from typing import Any

import optuna

from hpsearch.config.file import BUDGET, NoPruner, Objective
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig, TrialConfig, parse_config, with_seed
from hpsearch.config.varied import UNTUNED
from hpsearch.search.records import BASELINE, FINISHED, OF, PLANNED, TrialRecord, best_trial, epochs_chosen, read_trial
from hpsearch.search.storage import ENGINES, IDENTITY, StoredStudy


class Stage(Enum):
    """A part of a study; its value follows the study's name and a slash."""

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
    """A training that a stage plans.

    Attributes:
        of: the trial whose configuration it has; None for the Keras default.
        config: the configuration, with its seed.
    """

    of: int | None
    config: AnyConfig

    @property
    def key(self) -> str:
        return _key(self.of, self.config.plain())


def open_stage(study: StoredStudy, stage: Stage, objective: Objective) -> StoredStudy:
    """Return the stage of a study; create it if it is missing."""
    found = optuna.create_study(
        study_name=_name(study, stage), storage=study.storage, direction=objective.direction, load_if_exists=True
    )
    if IDENTITY not in found.user_attrs:
        found.set_user_attr(ENGINES, study.engines)
        found.set_user_attr(IDENTITY, {"objective": objective.model_dump(mode="json")})
    return StoredStudy(study.storage, found)


def find_stage(study: StoredStudy, stage: Stage) -> StoredStudy | None:
    """Return the stage of a study; None if it has not begun."""
    name = _name(study, stage)
    if name not in {each.study_name for each in study.storage.get_all_studies() if IDENTITY in each.user_attrs}:
        return None
    return StoredStudy(study.storage, optuna.load_study(study_name=name, storage=study.storage))


def stage_spec(spec: StudySpec, objective: Objective) -> StudySpec:
    """Return the study file for a later stage: without a pruner and a budget."""
    search = spec.search.model_copy(update={"pruner": NoPruner(), **dict.fromkeys(set(BUDGET) - {"trials"})})
    return replace(spec, file=spec.file.model_copy(update={"search": search, "objective": objective}))


def plan(stage: StoredStudy, trainings: Iterable[PlannedTraining]) -> int:
    """Enqueue the trainings that the stage lacks; return the number of all its trainings."""
    trials = stage.optuna.get_trials(deepcopy=False)
    planned = {_key(trial.user_attrs.get(OF), trial.user_attrs[PLANNED]) for trial in trials}
    new = [training for training in trainings if training.key not in planned]
    for training in new:
        attrs = {PLANNED: training.config.plain(), OF: training.of, BASELINE: training.of is None}
        stage.optuna.enqueue_trial({}, user_attrs=attrs)
    return len(trials) + len(new)


def _key(of: int | None, config: Mapping[str, Any]) -> str:
    return json.dumps([of, config], sort_keys=True)


def _name(study: StoredStudy, stage: Stage) -> str:
    # Only for stages after the search. No study has such a name, since a name must not have a slash.
    return f"{study.name}/{stage.value}"


# The study's attribute that holds every reading of the test set, and the finalists' one that holds their seeds.
READINGS, SEEDS = "hpsearch:test_readings", "hpsearch:seeds"


@dataclass(frozen=True)
class Finalist:
    """One configuration, trained with several new seeds.

    Attributes:
        trial: the trial of the search that it trains again; None for the Keras default of the winner's model.
        score: the value of that trial, which is the best of many; None for the Keras default.
        config: its configuration, in which the seed is None.
        runs: its trainings, by number; some may not have ended.
    """

    trial: int | None
    score: float | None
    config: AnyConfig
    runs: tuple[TrialRecord, ...]

    @property
    def label(self) -> str:
        return UNTUNED if self.trial is None else f"trial {self.trial}"

    @property
    def values(self) -> tuple[float, ...]:
        """The objective at the best epoch of each training that ended well."""
        return tuple(run.best.value for run in self.runs if run.good and run.best)

    @property
    def mean(self) -> float | None:
        """The mean over all its trainings; None if one of them has not ended, or not well."""
        return fmean(self.values) if self.runs and len(self.values) == len(self.runs) else None

    @property
    def epochs(self) -> int:
        """The number of epochs of its final trainings."""
        return epochs_chosen(self.runs)


@dataclass(frozen=True)
class TestResult:
    """The result of a final model on the test images.

    Attributes:
        number: the number of its training in the study's last stage.
        trial: the trial that it trains again; None for the Keras default.
        seed: the seed of its training.
        accuracy: the share of the images that it classified correctly.
        confusion: [classes, classes], true classes by row.
        hits: one bit for each image, 1 if it was classified correctly; in hexadecimal.
    """

    number: int
    trial: int | None
    seed: int
    accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    hits: str


@dataclass(frozen=True)
class Reading:
    """One reading of the test set. It is recorded before the set is opened.

    Attributes:
        when: ISO 8601, local time with its offset.
        by: the process that read it.
        winner: the trial that was the winner then.
        dataset, digest: of the test set.
        examples: the number of test images; 0 if the reading failed.
        results: those of every model; empty if the reading failed.
    """

    when: str
    by: str
    winner: int
    dataset: str
    digest: str
    examples: int
    results: tuple[TestResult, ...]

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Reading:
        results = [
            TestResult(**{**result, "confusion": tuple(map(tuple, result["confusion"]))})
            for result in plain.get("figures", [])
        ]
        plain = {name: value for name, value in plain.items() if name != "figures"}
        return Reading(**{"examples": 0, **plain, "results": tuple(results)})

    @property
    def line(self) -> str:
        """The line of this reading in the list of all readings."""
        models = f"{len(self.results)} models" if self.results else "it gave no result"
        return f"{self.when} by {self.by}: the test set of {self.dataset}, for trial {self.winner} ({models})"


@dataclass(frozen=True)
class Finals:
    """The finalists of a study.

    Attributes:
        objective: the objective of the study.
        seeds: the seeds with which every finalist is trained.
        finalists: the finalists, the best mean first; those without a mean last.
        default: the Keras default of the winner's model; None if it has not been trained yet.
        final: the trainings on all training images: the winner's and the default's.
        readings: the readings of the test set, in order.
    """

    objective: Objective
    seeds: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    default: Finalist | None
    final: tuple[TrialRecord, ...]
    readings: tuple[Reading, ...]

    @cached_property
    def winner(self) -> Finalist | None:
        """The finalist with the best mean; None while a training is unfinished, or if no finalist has a mean."""
        if not all(run.state in FINISHED for finalist in self.finalists for run in finalist.runs):
            return None
        first = next(iter(self.finalists), None)
        return first if first and first.mean is not None else None

    @property
    def reading(self) -> Reading | None:
        """The reading that has results; None if there is none."""
        return next((reading for reading in self.readings if reading.results), None)

    @property
    def champion(self) -> TestResult | None:
        """The test result of the winner's model of the first seed whose final training ended well.

        This choice was fixed before the test set was read. It is None if the test set was not read for the winner.
        """
        if self.reading is None or self.winner is None or self.reading.winner != self.winner.trial:
            return None
        return self.tested(self.winner.trial)[0]

    def tested(self, trial: int | None) -> list[TestResult]:
        """Return the test results of a finalist's models, by seed."""
        found = [result for result in self.reading.results if result.trial == trial] if self.reading else []
        return sorted(found, key=lambda result: self.seeds.index(result.seed))


def read_finals(study: StoredStudy) -> Finals | None:
    """Return the results of a study's finalists so far; None if it has none."""
    stage, final = find_stage(study, Stage.FINALISTS), find_stage(study, Stage.FINAL)
    if stage is None:
        return None
    finalists = list(_group_by_config(stage, {r.number: r.best.value for r in study.records() if r.best}))
    ranked = _ranked([finalist for finalist in finalists if finalist.trial is not None], study.objective)
    # A study that was continued may have had another winner before, with another model.
    model = _model(ranked[0]) if ranked else None
    defaults = (finalist for finalist in finalists if finalist.trial is None and _model(finalist) == model)
    return Finals(
        objective=study.objective,
        seeds=tuple(stage.optuna.user_attrs.get(SEEDS, ())),
        finalists=ranked,
        default=next(defaults, None),
        final=tuple(final.records()) if final else (),
        readings=tuple(map(Reading.of, study.optuna.user_attrs.get(READINGS, ()))),
    )


def records_of_stages(study: StoredStudy) -> dict[Stage, list[TrialRecord]]:
    """Return the trials of the search, and the trainings of each stage after it that has begun."""
    stages = {stage: find_stage(study, stage) for stage in (Stage.FINALISTS, Stage.FINAL)}
    later = {stage: found.records() for stage, found in stages.items() if found}
    return {Stage.SEARCH: study.records(), **later}


def exported_trial(study: StoredStudy) -> TrialRecord | None:
    """Return the trial of a study to export."""
    records = study.records()
    return exported_trial_of(records, read_finals(study), best_trial(records, study.objective))


def exported_trial_of(
    records: Sequence[TrialRecord], finals: Finals | None, best: TrialRecord | None
) -> TrialRecord | None:
    """Return the trial to export: the finalists' winner, else the best trial; None if none ended well.

    Args:
        records: the trials of the search, by number.
        best: the best of them, or None.
    """
    winner = finals.winner if finals else None
    return best if winner is None or winner.trial is None else records[winner.trial]


def _group_by_config(stage: StoredStudy, scores: Mapping[int, float]) -> Iterator[Finalist]:
    """Yield a Finalist for each group of trainings that differ only in the seed.

    Args:
        scores: the values of the trials of the search, by number.
    """
    groups: dict[str, Finalist] = {}
    for trial in stage.optuna.get_trials(deepcopy=False):
        record = read_trial(trial, stage.objective)
        config = with_seed(parse_config(trial.user_attrs[PLANNED]), None)
        score = None if record.of is None else scores.get(record.of)
        key = json.dumps([record.of, config.plain()], sort_keys=True)
        group = groups.setdefault(key, Finalist(record.of, score, config, ()))
        groups[key] = replace(group, runs=(*group.runs, record))
    yield from groups.values()


def _model(finalist: Finalist) -> Any:
    return finalist.config.model if isinstance(finalist.config, TrialConfig) else None


def _ranked(finalists: Sequence[Finalist], objective: Objective) -> tuple[Finalist, ...]:
    def order(finalist: Finalist) -> tuple[float, int]:
        return math.inf if finalist.mean is None else -objective.gain(finalist.mean), finalist.trial or 0

    return tuple(sorted(finalists, key=order))
