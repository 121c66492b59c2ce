"""The Optuna database: studies created, continued, read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from hpsearch.config.file import Objective
from hpsearch.config.matching import baselines, match
from hpsearch.config.problems import dotted
from hpsearch.config.study import StudySpec
from hpsearch.errors import EnvironmentProblem, HpsearchError, StudyChangedError, UnknownNameError
from hpsearch.search.home import Home, prepare_sqlite
from hpsearch.search.records import BASELINE, OUTCOME, TrialRecord, read_trial
from hpsearch.training.results import Outcome

IDENTITY = "hpsearch:identity"
DESCRIPTION = "hpsearch:description"
SPEC_TEXT = "hpsearch:file"


class Study:
    """One study in the database; what the light commands read, and the coordinator writes.

    Attributes:
        name: as in the study file.
        objective: of the study.
        identity: what must stay the same when it is continued.
        trials_wanted: the total that the last run was asked for; None before the first.
    """

    def __init__(self, storage: RDBStorage, study: optuna.Study) -> None:
        self.storage, self.optuna = storage, study
        attrs = study.user_attrs
        self.name = study.study_name
        self.identity: dict[str, Any] = attrs[IDENTITY]
        self.objective = Objective.model_validate(self.identity["objective"])
        self.description: str = attrs.get(DESCRIPTION, "")
        self.file: str = attrs.get(SPEC_TEXT, "")

    def records(self) -> list[TrialRecord]:
        """Every trial, by number."""
        return [read_trial(t, self.objective) for t in self.optuna.get_trials(deepcopy=False)]

    def record(self, number: int) -> TrialRecord:
        """One trial.

        Raises:
            HpsearchError: the study has no such trial.
        """
        records = self.records()
        if not 0 <= number < len(records):
            raise HpsearchError(f"study '{self.name}' has no trial {number}; it has 0 to {len(records) - 1}")
        return records[number]


def open_storage(home: Home, *, create: bool) -> RDBStorage:
    """The database of a home folder.

    Raises:
        EnvironmentProblem: it does not exist (and `create` is False), is damaged or cannot be written to.
    """
    if create:
        home.create()
        prepare_sqlite(home.optuna_db)
    elif not home.optuna_db.is_file():
        raise EnvironmentProblem(
            f"{home.root}: no studies here; run one with `hpsearch run`, or name another folder with --home"
        )
    try:
        return RDBStorage(f"sqlite:///{home.optuna_db.resolve()}", engine_kwargs={"connect_args": {"timeout": 60}})
    except (SQLAlchemyError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise EnvironmentProblem(f"{home.optuna_db}: cannot be used: {reason}") from None


@contextmanager
def _plain_database_errors(home: Home) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise EnvironmentProblem(f"{home.optuna_db}: {reason}") from None


def list_studies(home: Home) -> list[Study]:
    """Every hpsearch study of the home folder, by name; none where the folder holds no database yet."""
    if not home.optuna_db.is_file():
        return []
    storage = open_storage(home, create=False)
    with _plain_database_errors(home):
        names = sorted(s.study_name for s in storage.get_all_studies() if IDENTITY in s.user_attrs)
        return [Study(storage, optuna.load_study(study_name=name, storage=storage)) for name in names]


def find_study(home: Home, name: str) -> Study:
    """A study by its name.

    Raises:
        UnknownNameError: no such study; the message lists the known ones.
    """
    if not home.optuna_db.is_file():
        raise UnknownNameError(f"study in {home.root}", name, [])
    storage = open_storage(home, create=False)
    with _plain_database_errors(home):
        known = [study.study_name for study in storage.get_all_studies() if IDENTITY in study.user_attrs]
        if name not in known:
            raise UnknownNameError(f"study in {home.root}", name, known)
        return Study(storage, optuna.load_study(study_name=name, storage=storage))


def open_study(home: Home, spec: StudySpec, text: str) -> Study:
    """The study of a file: created, with what is to be tried first; or continued.

    Args:
        text: the study file as it was run, for the record.

    Raises:
        StudyChangedError: the study exists, and the file differs in a way that matters.
    """
    storage = open_storage(home, create=True)
    direction = StudyDirection.MAXIMIZE if spec.objective.direction == "maximize" else StudyDirection.MINIMIZE
    known = {study.study_name: study for study in storage.get_all_studies()}
    if spec.name in known:
        found = known[spec.name].user_attrs.get(IDENTITY)
        if found is None:
            raise StudyChangedError(f"'{spec.name}' in {home.optuna_db} is a study that hpsearch did not make")
        differences = list(compare(found, spec.identity()))
        if differences:
            lines = [
                f"study '{spec.name}' exists, and its file has changed in a way that matters:",
                *(f"  {line}" for line in differences[:20]),
                "take the change back, or give the study another name (--set name=NEW)",
            ]
            raise StudyChangedError("\n".join(lines))
    optuna_study = optuna.create_study(study_name=spec.name, storage=storage, direction=direction, load_if_exists=True)
    optuna_study.set_user_attr(IDENTITY, spec.identity())
    optuna_study.set_user_attr(DESCRIPTION, spec.file.description)
    optuna_study.set_user_attr(SPEC_TEXT, text)
    study = Study(storage, optuna_study)
    if not optuna_study.get_trials(deepcopy=False):
        _enqueue_first(optuna_study, spec)
    return study


def _enqueue_first(study: optuna.Study, spec: StudySpec) -> None:
    """What the person asked for, in order; then each optimizer's Keras defaults."""
    for config in spec.enqueue:
        study.enqueue_trial(match(spec.space, config).params)
    for params in baselines(spec.space) if spec.search.baselines else []:
        study.enqueue_trial(params, user_attrs={BASELINE: True}, skip_if_exists=True)


def settle(study: Study) -> int:
    """Trials that a dead coordinator left RUNNING wait to be run again, under their own number.

    Returns:
        How many there were.
    """
    left = [t for t in study.optuna.get_trials(deepcopy=False) if t.state == TrialState.RUNNING]
    for trial in left:
        put_back(study, trial._trial_id)
    return len(left)


def put_back(study: Study, trial_id: int) -> None:
    """A running trial is recorded as interrupted and waits; `ask` gives it again with the same parameters."""
    study.storage.set_trial_user_attr(trial_id, OUTCOME, Outcome.INTERRUPTED.name)
    study.storage.set_trial_state_values(trial_id, TrialState.WAITING)


def compare(was: Any, now: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Each difference between two trees of plain data: `trial.batch_size: was 32, is now 64`."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            if key not in was:
                yield f"{dotted((*path, key))}: was absent, is now {now[key]!r}"
            elif key not in now:
                yield f"{dotted((*path, key))}: was {was[key]!r}, is now absent"
            else:
                yield from compare(was[key], now[key], (*path, key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (before, after) in enumerate(zip(was, now, strict=True)):
            yield from compare(before, after, (*path, index))
    elif was != now:
        yield f"{dotted(path)}: was {was!r}, is now {now!r}"
