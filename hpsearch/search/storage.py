"""The studies in the Optuna database: create, continue, read and delete them, and record their MLflow addresses.

A study records the MLflow addresses of its runs, and whether each address has all of the study, so that later runs can
report what is missing. An address is a `hpsearch.tracking.target.Target.key`, empty for the home folder's database.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from hpsearch.config.file import Compare, Objective
from hpsearch.config.matching import baselines, match
from hpsearch.config.problems import changes
from hpsearch.config.study import StudySpec
from hpsearch.config.yaml_text import load_value
from hpsearch.errors import EnvironmentProblem, HpsearchError, StudyChangedError, UnknownNameError
from hpsearch.search.contents import Contents, own_digests
from hpsearch.search.database import database_errors, open_storage
from hpsearch.search.home import HOLDER_FILES, Home, absolute_address
from hpsearch.search.provenance import Provenance, new_provenance
from hpsearch.search.records import (
    BASELINE,
    TrialRecord,
    read_trial,
)
from hpsearch.training.structure import engines_for

if TYPE_CHECKING:
    import optuna

IDENTITY = "hpsearch:identity"
DESCRIPTION = "hpsearch:description"
FOLDERS = "hpsearch:folders"
SPEC_TEXT = "hpsearch:file"
ENQUEUED = "hpsearch:enqueued"
ENGINES = "hpsearch:engines"
# Whether the search ended because no new valid configuration was found.
NO_NEW_CONFIGURATION = "hpsearch:exhausted"


class StoredStudy:
    """One study in the database.

    Attributes:
        name: as in the study file.
        objective: the objective of the study.
        identity: the part of the study file that must not change while the study is continued.
        description: the description in the study file.
        text: the text of the study file as it was last run.
        folders: the folders of the user's own modules in the last run.
        engines: the engine that `auto` means for each architecture, chosen when the study was created.
    """

    def __init__(self, storage: RDBStorage, study: optuna.Study) -> None:
        self.storage, self.optuna = storage, study
        attrs = study.user_attrs
        self.name = study.study_name
        self._id = storage.get_study_id_from_name(self.name)
        self.identity: dict[str, Any] = attrs[IDENTITY]
        self.objective = Objective.model_validate(self.identity["objective"])
        self.description: str = attrs.get(DESCRIPTION, "")
        self.text: str = attrs.get(SPEC_TEXT, "")
        self.folders = [Path(folder) for folder in attrs.get(FOLDERS, [])]
        self.engines: dict[str, str] = attrs.get(ENGINES, {})

    @property
    def provenance(self) -> Provenance:
        return Provenance.of(self.optuna.user_attrs)

    @property
    def contents(self) -> Contents | None:
        """The digests of the user's own data and modules for new trials; None for a study of an early version."""
        return Contents.stored(self.optuna.user_attrs)

    @property
    def compare(self) -> Compare | None:
        """The section `compare` of the study file as it was last run, or None."""
        section = (load_value(self.text, self.name) or {}).get("compare")
        return Compare.model_validate(section) if section else None

    def records(self) -> list[TrialRecord]:
        """Return every trial, by number."""
        return [read_trial(t, self.objective) for t in self.optuna.get_trials(deepcopy=False)]

    def trial_id(self, number: int) -> int:
        """Return the key of a trial in the storage."""
        return self.storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def stored(self, number: int) -> FrozenTrial:
        """Return one trial as Optuna stores it, without reading the others."""
        return self.storage.get_trial(self.trial_id(number))

    def read_record(self, number: int) -> TrialRecord:
        """Return the record of one trial without reading the others."""
        return read_trial(self.stored(number), self.objective)

    def take(self, trial: FrozenTrial) -> optuna.Trial:
        """Set a waiting or interrupted trial to running, and return it."""
        trial_id = self.trial_id(trial.number)
        if trial.state == TrialState.WAITING:
            self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        return optuna.trial.Trial(self.optuna, trial_id)

    def find_record(self, number: int) -> TrialRecord:
        """Return one trial.

        Raises:
            HpsearchError: the study has no such trial.
        """
        trials = self.optuna.get_trials(deepcopy=False)
        if not 0 <= number < len(trials):
            has = f"it has 0 to {len(trials) - 1}" if trials else "it has none yet"
            raise HpsearchError(f"study '{self.name}' has no trial {number}; {has}")
        return read_trial(trials[number], self.objective)


def list_studies(home: Home) -> list[StoredStudy]:
    """Return every hpsearch study of the home folder, sorted by name; empty if there is no database yet."""
    if not home.optuna_db.is_file():
        return []
    storage = open_storage(home, create=False)
    with database_errors(home, RuntimeError):
        names = sorted(_names(storage))
        return [StoredStudy(storage, optuna.load_study(study_name=name, storage=storage)) for name in names]


def _names(storage: RDBStorage) -> list[str]:
    """Return the names of the studies that hpsearch created, except later stages of studies."""
    known = storage.get_all_studies()
    return [study.study_name for study in known if IDENTITY in study.user_attrs and "/" not in study.study_name]


def find_study(home: Home, name: str) -> StoredStudy:
    """Return a study by its name.

    Raises:
        UnknownNameError: no such study; the message lists the known ones.
    """
    if not home.optuna_db.is_file():
        raise UnknownNameError("study", name, [])
    storage = open_storage(home, create=False)
    with database_errors(home, RuntimeError):
        known = _names(storage)
        if name not in known:
            raise UnknownNameError("study", name, known)
        return StoredStudy(storage, optuna.load_study(study_name=name, storage=storage))


def check_unchanged(home: Home, spec: StudySpec) -> StoredStudy | None:
    """Return the study that a file continues, or None if the study is new.

    Raises:
        StudyChangedError: the study exists, and the file differs in a way that matters.
    """
    return _continued(home, open_storage(home, create=True), spec) if home.optuna_db.is_file() else None


def _continued(home: Home, storage: RDBStorage, spec: StudySpec) -> StoredStudy | None:
    known = {study.study_name: study for study in storage.get_all_studies()}
    if spec.name not in known:
        return None
    identity = known[spec.name].user_attrs.get(IDENTITY)
    if identity is None and not storage.get_all_trials(storage.get_study_id_from_name(spec.name)):
        return None  # left by a run that was killed while it created the study
    if identity is None:
        raise StudyChangedError(f"'{spec.name}' in {home.optuna_db} is a study that hpsearch did not make")
    differences = list(changes(identity, spec.identity()))
    if differences:
        lines = [
            f"study '{spec.name}' exists, and its file has changed in a way that matters:",
            *(f"  {line}" for line in differences[:20]),
            "take the change back, give the study another name (--name NEW), "
            f"or delete it (`{home.command('delete', spec.name)}`)",
        ]
        raise StudyChangedError("\n".join(lines))
    return StoredStudy(storage, optuna.load_study(study_name=spec.name, storage=storage))


def begin_study(home: Home, spec: StudySpec, text: str) -> StoredStudy:
    """Return the study of a file; create it, with its enqueued trials, if it is new.

    Args:
        text: the text of the study file as it is run, which is recorded.

    Raises:
        StudyChangedError: as `check_unchanged`.
    """
    storage = open_storage(home, create=True)
    _continued(home, storage, spec)
    optuna_study = optuna.create_study(
        study_name=spec.name, storage=storage, direction=spec.objective.direction, load_if_exists=True
    )
    optuna_study.set_user_attr(IDENTITY, spec.identity())
    remember(optuna_study, spec, text)
    if ENGINES not in optuna_study.user_attrs:
        # A study of an early version was trained with the engines of that version.
        optuna_study.set_user_attr(ENGINES, _engines(spec, early_version=ENQUEUED in optuna_study.user_attrs))
    for name, value in new_provenance(
        optuna_study.user_attrs, lambda: own_digests(spec.datasets(), spec.folders)
    ).items():
        optuna_study.set_user_attr(name, value)
    study = StoredStudy(storage, optuna_study)
    if ENQUEUED not in optuna_study.user_attrs:
        _enqueue_first(optuna_study, spec)
        optuna_study.set_user_attr(ENQUEUED, True)
    return study


def remember(study: optuna.Study, spec: StudySpec, text: str) -> None:
    """Record the present text of the study file: its description and its comparison may change between runs."""
    study.set_user_attr(DESCRIPTION, spec.file.description)
    study.set_user_attr(SPEC_TEXT, text)
    study.set_user_attr(FOLDERS, [str(folder) for folder in spec.folders])


def _engines(spec: StudySpec, *, early_version: bool) -> dict[str, str]:
    """Return the engine that `auto` means for each architecture; empty if the user's own function trains."""
    if spec.longest is None:
        return {}
    return engines_for(0 if early_version else spec.longest)


def _enqueue_first(study: optuna.Study, spec: StudySpec) -> None:
    """Enqueue every point of a grid; otherwise the file's `enqueue` trials, then each optimizer's Keras defaults."""
    # A run that was killed here may have enqueued the first points.
    for point in spec.points[len(study.get_trials(deepcopy=False)) :]:
        study.enqueue_trial(point)
    for config in spec.enqueue:
        # A run that was killed here may have enqueued some of these, so existing ones are skipped.
        study.enqueue_trial(match(spec.space, config).params, skip_if_exists=True)
    for params in baselines(spec.space) if spec.search.baselines and not spec.trainable else []:
        study.enqueue_trial(params, user_attrs={BASELINE: True}, skip_if_exists=True)


def delete_study(home: Home, study: StoredStudy) -> None:
    """Delete a study and its files; the caller holds its lock.

    The study's entry in the database is deleted last, so that the same command finds the study after an error.

    Raises:
        EnvironmentProblem: a file or the database cannot be written.
    """
    delete_files(home, study.name)
    with database_errors(home, RuntimeError):
        names = optuna.get_all_study_names(study.storage)
        parts = [name for name in names if name.startswith(f"{study.name}/")]
        for name in [*parts, study.name]:
            optuna.delete_study(study_name=name, storage=study.storage)


def delete_files(home: Home, name: str) -> None:
    """Delete the files of a study in its folder and among the logs, except the lock.

    Raises:
        EnvironmentProblem: a file cannot be deleted.
    """
    for path in _files(home, name):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise EnvironmentProblem(f"{error.filename}: cannot be deleted: {error.strerror}") from None


def delete_folder(home: Home, name: str) -> None:
    """Delete the folder of a study whose files are deleted; the caller holds its lock.

    It must not be called after the lock is released, since another process may then hold a new study of this name.
    """
    folder = home.study_folder(name)
    with suppress(OSError):
        for file in HOLDER_FILES:
            (folder / file).unlink(missing_ok=True)
        folder.rmdir()


def _files(home: Home, name: str) -> Iterator[Path]:
    folder = home.study_folder(name)
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.name not in HOLDER_FILES)
    logs = (home.logs / f"{name}-{what}.log" for what in ("workers", "models", "reproduce"))
    yield from (log for log in logs if log.is_file())


# The study's attribute with its MLflow addresses, and whether each has the whole study.
ADDRESSES = "hpsearch:addresses"
# The attribute of earlier versions: the address of the last run, if it lacked a part of the study.
_LAST = "hpsearch:untold"


def add_address(study: optuna.Study, address: str) -> None:
    """Record that a run with this address begins. From now on every address lacks a part: the run's new trials."""
    study.set_user_attr(ADDRESSES, dict.fromkeys([*known_addresses(study), address], False))


def set_address_complete(study: optuna.Study, address: str) -> None:
    """Record that an address has all of the study."""
    before = known_addresses(study)
    if before.get(address) is not True:
        study.set_user_attr(ADDRESSES, {**before, address: True})


def incomplete_addresses(study: optuna.Study) -> list[str]:
    """Return the addresses that lack a part of the study."""
    return [address for address, complete in known_addresses(study).items() if not complete]


def is_new_address(study: optuna.Study, address: str) -> bool:
    """Return whether no run of the study has had this address; False if an earlier version recorded no addresses."""
    return ADDRESSES in study.user_attrs and address not in known_addresses(study)


def known_addresses(study: optuna.Study) -> dict[str, bool]:
    """Return the addresses of the study's runs, and whether each has the whole study."""
    attrs = study.user_attrs
    last = attrs.get(_LAST)
    found = attrs.get(ADDRESSES) or ({} if last is None else {last: False})
    # Earlier versions recorded relative addresses.
    return {absolute_address(address): complete for address, complete in found.items()}
