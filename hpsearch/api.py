"""The Python API, for the commands, notebooks and scripts: run a study, open one, export its result."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.errors import EnvironmentProblem, HpsearchError, NoGoodTrialError, UnknownNameError, masked

if TYPE_CHECKING:
    import pandas as pd

    from hpsearch.config.study import StudySpec
    from hpsearch.export.selected import SelectedTrial
    from hpsearch.export.trainings import ExportContext
    from hpsearch.search.home import Home
    from hpsearch.search.listeners import Listener, StudyEnded
    from hpsearch.search.records import TrialRecord
    from hpsearch.search.stages import Stage
    from hpsearch.search.stop import Stop
    from hpsearch.search.storage import StoredStudy
    from hpsearch.tracking.run_states import TrackedStudy
    from hpsearch.tracking.target import Target

# The shipped study files.
SHIPPED = Path(__file__).parent / "studies"


def run(
    study: str | os.PathLike[str] | Mapping[str, Any],
    *,
    trials: int | None = None,
    workers: int | None = None,
    timeout: str | float | None = None,
    overrides: Mapping[str, Any] | None = None,
    quick: bool = False,
    retry_failed: bool = False,
    accept_changes: bool = False,
    home: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    progress: bool = True,
) -> Study:
    """Run a study until it has its total number of trials, as `hpsearch run` does.

    Args:
        study: a study file, the name of a study in the home folder, the name of a shipped study, or the content of a
            study file as a mapping. In a mapping, `trainable` and every other reference `module:function` may be the
            function itself, also one that was defined in a notebook.
        trials: the total number of trials, those of earlier runs included; None: the number in the study file.
        workers: number of trials that run at once; None: one for each core.
        timeout: no trial starts after this time, in seconds or as text such as `20m`.
        overrides: values by key path, for instance `{"trial.training.max_epochs": 3}`; a string is read as YAML.
        quick: whether to run the short version of the study, which the file's section `quick` describes.
        retry_failed: whether to try the configurations of failed trials again.
        accept_changes: whether to continue although your own data or modules have changed.
        home: folder that holds the state of all studies; None: HPSEARCH_HOME, else `mlruns`.
        tracking_uri: MLflow server or database; None: MLFLOW_TRACKING_URI, else the home folder's own.
        progress: whether to print a line for each step to stderr.

    Returns:
        The study with all its trials so far.

    Raises:
        HpsearchError: something is wrong with the study, the data or the environment.
        KeyboardInterrupt: Ctrl-C; the same call continues where this one stopped.

    >>> import hpsearch
    >>> def train(config, seed):
    ...     for epoch in range(3):
    ...         yield {"score": -((config["x"] - 2) ** 2) - 1 / (epoch + 1)}
    >>> study = hpsearch.run(
    ...     {
    ...         "name": "parabola",
    ...         "trainable": train,
    ...         "objective": {"metric": "score", "direction": "maximize"},
    ...         "trial": {"x": {"float": [0, 4]}},
    ...         "search": {"trials": 5},
    ...     },
    ...     workers=1,
    ...     progress=False,
    ... )
    >>> len(study.trials_dataframe())
    5
    """
    from hpsearch.search.stop import Stop
    from hpsearch.tracking.target import find_target

    where, stop = find_home(home), Stop()
    target = find_target(where, tracking_uri)
    changes = [f"{key}={_yaml(value)}" for key, value in (overrides or {}).items()]
    changes += [f"search.timeout={timeout}"] if timeout is not None else []
    report = say if progress else _ignore
    with stop.on_signals():
        spec, _ = find_spec(study, where, changes, quick=quick)
        ended = run_spec(
            spec,
            target,
            stop,
            report,
            trials=trials,
            workers=workers,
            accept_changes=accept_changes,
            retry_failed=retry_failed,
            progress=progress,
        )
    if ended.interrupted:
        raise KeyboardInterrupt(f"study '{spec.name}' was interrupted; the same call goes on with it")
    if ended.abort_reason:
        report(f"study '{spec.name}' was stopped early: {ended.abort_reason}")
    return open_study(spec.name, home=where.root)


def open_study(name: str, *, home: str | os.PathLike[str] | None = None) -> Study:
    """Open a study that was run before.

    Args:
        name: of the study.
        home: folder that holds the state of all studies; None: HPSEARCH_HOME, else `mlruns`.

    Raises:
        UnknownNameError: there is no such study; the message lists the known ones.
    """
    from hpsearch.search.storage import find_study

    where = find_home(home)
    return Study(find_study(where, name), where)


@dataclass(frozen=True)
class Study:
    """A study with its trials; from `run` or `open_study`.

    Attributes:
        stored: the study in its storage.
        home: the folder that holds its state.
    """

    stored: StoredStudy
    home: Home

    def __repr__(self) -> str:
        return f"<hpsearch.Study '{self.name}' in {self.home.root}>"

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.stored.name

    @property
    def metric(self) -> str:
        """The metric that is the objective."""
        return self.stored.objective.metric

    @property
    def direction(self) -> str:
        """`maximize` or `minimize`."""
        return str(self.stored.objective.direction)

    @property
    def trials(self) -> Sequence[TrialRecord]:
        """Every trial, by number."""
        return self.stored.records()

    @property
    def best_trial(self) -> TrialRecord:
        """The best trial; where the study has finalists, their winner.

        Raises:
            NoGoodTrialError: no trial has ended well.
        """
        from hpsearch.search.stages import exported_trial

        record = exported_trial(self.stored)
        if record is None:
            raise NoGoodTrialError(self.name, self.home.command("trials", self.name))
        return record

    @property
    def best_params(self) -> dict[str, Any]:
        """The configuration of the best trial under plain names."""
        return self.best_trial.flat

    @property
    def best_value(self) -> float | None:
        """The value of the objective in the best trial's best epoch."""
        best = self.best_trial.best
        return best.value if best else None

    def trials_dataframe(self) -> pd.DataFrame:
        """Return one row for each trial: its state, its parameters and the metrics of its best epoch.

        Columns: `number`, `state`, `outcome`, `reason`, `value`, `epoch`, `seconds`, `datetime_start`,
        `datetime_complete`, then `params_<name>` and `metrics_<name>`.
        """
        import pandas as pd

        rows = []
        for record in self.trials:
            summary = {name: value for name, value in record.summary().items() if name != "params"}
            rows.append(
                {
                    **summary,
                    "datetime_start": record.started,
                    "datetime_complete": record.ended,
                    **{f"params_{name}": value for name, value in record.flat.items()},
                    **{f"metrics_{name}": value for name, value in record.best_metrics.items()},
                }
            )
        return pd.DataFrame(rows)

    def epochs_dataframe(self) -> pd.DataFrame:
        """Return one row for each epoch of each trial: `number` of the trial, `epoch`, and each metric."""
        import pandas as pd

        return pd.DataFrame(
            [{"number": record.number, **epoch.plain()} for record in self.trials for epoch in record.epochs]
        )

    def export(
        self, file: str | os.PathLike[str], *, format: str | None = None, trial: int | None = None, force: bool = False
    ) -> Path:
        """Write a trial to a file, as `hpsearch export` does.

        Args:
            file: path of the file.
            format: yaml, json, keras, python or model; None: by the suffix of the file's name, else yaml.
            trial: number of the trial; None: the best.
            force: whether a file that exists is overwritten.

        Returns:
            The absolute path of the file.

        Raises:
            EnvironmentProblem: the file exists, or cannot be written.
        """
        from hpsearch.export.formats import FORMATS, format_of

        path = Path(file).absolute()
        if path.exists() and not force:
            raise EnvironmentProblem(f"{file} exists; give another name, or force=True to overwrite it")
        if format is not None and format not in FORMATS:
            raise UnknownNameError("format", format, list(FORMATS))
        form = FORMATS[format] if format is not None else format_of(path, read=False)
        with _export_context(path) as context:
            form.write(choose_trial(self.stored, self.home, trial, _ignore), path, context)
        return path

    def load_model(self, trial: int | None = None) -> Any:
        """Return a trial's trained Keras model: raw images in, probabilities out.

        The champion of the finalists was saved and is loaded. The model of any other trial is trained again.

        Args:
            trial: number of the trial; None: the best.
        """
        with tempfile.TemporaryDirectory(prefix="hpsearch-model-") as folder:
            file = self.export(Path(folder) / "model.keras", format="model", trial=trial)
            from hpsearch.training.portable import load_portable

            return load_portable(str(file))


def find_home(home: str | os.PathLike[str] | None = None) -> Home:
    """Return the home folder: the given one, else that of HPSEARCH_HOME, else `mlruns` in the current folder.

    Raises:
        EnvironmentProblem: it is not a folder.
        HpsearchError: it is an address.
    """
    from hpsearch.search.home import Home

    root = home_folder(os.fspath(home) if home is not None else os.environ.get("HPSEARCH_HOME") or "mlruns")
    if root.exists() and not root.is_dir():
        raise EnvironmentProblem(f"{root}: the home must be a folder; name another with --home or HPSEARCH_HOME")
    return Home(root)


def home_folder(given: str | Path) -> Path:
    """Return the folder that `--home` or HPSEARCH_HOME names.

    Raises:
        HpsearchError: it is the address of a database or a server.
    """
    if re.match(r"\w[\w+.-]*://", str(given)):
        raise HpsearchError(
            f"--home or HPSEARCH_HOME is {masked(str(given))!r}, but must be a folder; the address of an MLflow server "
            "or database is given by --tracking-uri or MLFLOW_TRACKING_URI"
        )
    return Path(given)


def find_spec(
    study: str | os.PathLike[str] | Mapping[str, Any], home: Home, overrides: Iterable[str] = (), *, quick: bool = False
) -> tuple[StudySpec, str]:
    """Find and check a study.

    Args:
        study: a file, else the name of a study in the home folder, else the name of a shipped study; or the content
            of a study file.
        home: the home folder.
        overrides: texts `key.path=value`, the value in YAML.
        quick: whether to use the short version of the study, which the file's section `quick` describes.

    Returns:
        The study, and a phrase that names its source: `the file studies/quickstart.yaml`.

    Raises:
        UnknownNameError: there is no study of this name; the message lists the known ones.
        StudyFileError: there is no such file, or the study breaks a rule.
    """
    from hpsearch.config.study import load_mapping, load_study

    if isinstance(study, Mapping):
        from hpsearch.config.user_modules import with_references

        folder = (home.root / "functions").absolute()
        content = with_references(study, folder)
        return load_mapping(content, folder / "study.yaml", overrides, quick=quick), "the study that is given"
    path = Path(study)
    shipped = SHIPPED / f"{path}.yaml"
    is_name = path.suffix not in (".yaml", ".yml") and len(path.parts) == 1 and not path.exists()
    if is_name and (stored := _stored_studies(home).get(str(path))):
        from hpsearch.config.yaml_text import load_value

        content = load_value(stored.text, f"the file of study '{path}'")
        folder = stored.folders[0] if stored.folders else Path.cwd()
        return load_mapping(
            content, folder / f"{path}.yaml", overrides, quick=quick
        ), f"study '{path}' as it was last run"
    if is_name and shipped.is_file():
        return load_study(shipped, overrides, quick=quick), f"'{path}', which comes with hpsearch"
    if is_name:
        known = sorted({*_stored_studies(home), *(file.stem for file in SHIPPED.glob("*.yaml"))})
        raise UnknownNameError("study or file", str(path), known)
    return load_study(path, overrides, quick=quick), f"the file {path}"


def _stored_studies(home: Home) -> dict[str, StoredStudy]:
    if not home.optuna_db.is_file():
        return {}
    from hpsearch.search.storage import list_studies

    return {study.name: study for study in list_studies(home) if study.text}


def run_spec(
    spec: StudySpec,
    target: Target,
    stop: Stop,
    report: Callable[[str], None],
    *,
    trials: int | None = None,
    workers: int | None = None,
    accept_changes: bool = False,
    retry_failed: bool = False,
    progress: bool = True,
) -> StudyEnded:
    """Run a study, and write its trials to MLflow.

    Args:
        spec: the checked study.
        target: the MLflow database or server for the runs, and the home folder.
        stop: says whether the user asks to stop.
        report: called with one line for each message.
        trials: the total number of trials; None: the number in the study file.
        workers: number of trials that run at once; None: one for each core.
        accept_changes: whether to continue although the user's own data or modules have changed.
        retry_failed: whether to try the configurations of failed trials again.
        progress: whether to show the trials on stderr.
    """
    from hpsearch.config.yaml_text import dump
    from hpsearch.executors.local import default_workers
    from hpsearch.search.run import RunRequest, run_study
    from hpsearch.tracking.logged_models import write_study

    total, asked = spec.total(trials), trials or spec.search.trials
    if spec.points and asked > total and (trials or "trials" in spec.search.model_fields_set):
        report(f"note: {asked} trials are asked for; the grid has {total} points")
    text = dump(spec.document.data)
    request = RunRequest(spec, text, total, workers or default_workers(), target.key, accept_changes, retry_failed)

    def write_all(study: StoredStudy, ended: StudyEnded) -> bool:
        from hpsearch.search.stages import read_finals, records_of_stages

        tracked, finals = tracked_study(study, spec, text, target), read_finals(study)
        return write_study(tracked, records_of_stages(study), finals, interrupted=ended.interrupted, report=report)

    def listeners(study: StoredStudy, stage: Stage) -> Sequence[Listener]:
        return _listeners(target, study, stage, stop, report, progress=progress)

    return run_study(request, target.home, listeners, stop, report, write_all)


def _listeners(
    target: Target, study: StoredStudy, stage: Stage, stop: Stop, report: Callable[[str], None], *, progress: bool
) -> Sequence[Listener]:
    from hpsearch.display.terminal import make_terminal
    from hpsearch.search.stages import Stage
    from hpsearch.tracking.listener import MlflowListener

    # The terminal comes first, so that it does not wait for a database.
    terminal = [make_terminal(stop)] if progress else []
    if stage is Stage.FINAL:
        # Their runs are written with their test metrics, once these are known.
        return terminal
    search = () if stage is Stage.SEARCH else study.records()
    mlflow = MlflowListener(target, study.provenance, render_best=render_best, report=report, search=search)
    return [*terminal, mlflow]


def tracked_study(study: StoredStudy, spec: StudySpec, text: str, target: Target) -> TrackedStudy:
    """Return what the MLflow writer needs of a study.

    Args:
        text: the study file as it is run.
        target: the MLflow database or server for the runs.
    """
    from hpsearch.tracking.run_states import TrackedStudy

    return TrackedStudy(spec, text, study.provenance, target, render_best)


def render_best(spec: StudySpec, record: TrialRecord) -> str:
    """Return the best configuration as YAML text."""
    from hpsearch.export.formats import best_yaml

    return best_yaml(spec.name, spec.objective, record)


def choose_trial(study: StoredStudy, home: Home, trial: int | None, report: Callable[[str], None]) -> SelectedTrial:
    """Return a trial to export; the finalists' winner has the values of its trainings and the champion's model.

    Args:
        trial: its number; None: the best.
        report: called with a line if the untuned default is as good as the winner of the finalists.

    Raises:
        NoGoodTrialError: no trial has ended well.
    """
    from hpsearch.analysis.verdict import default_sentences, judge
    from hpsearch.export.selected import SelectedTrial, winner_values
    from hpsearch.search.stages import Stage, exported_trial, read_finals

    record = study.find_record(trial) if trial is not None else exported_trial(study)
    if record is None:
        raise NoGoodTrialError(study.name, home.command("trials", study.name))
    finals = read_finals(study)
    if finals is None or finals.winner is None or finals.winner.trial != record.number:
        return SelectedTrial(study.name, study.objective, record)
    champion = finals.champion
    kept = home.models_folder(study.name, Stage.FINAL.value) / f"{champion.number}.keras" if champion else None
    verdict = judge(study.name, finals)
    if verdict.against_default and verdict.against_default.recommendation:
        report(f"trial {record.number} won among the finalists. {' '.join(default_sentences(verdict))}")
    return SelectedTrial(
        study.name, study.objective, record, winner_values(finals), kept if kept and kept.is_file() else None
    )


@contextmanager
def _export_context(output: Path) -> Iterator[ExportContext]:
    """Make the context of an export, and remove its log afterwards."""
    from hpsearch.config.study import module_folders
    from hpsearch.export.trainings import ExportContext

    with tempfile.TemporaryDirectory(prefix="hpsearch-export-") as folder:
        yield ExportContext(module_folders(output), Path(folder) / "native.log", _ignore)


def _yaml(value: Any) -> str:
    from hpsearch.config.yaml_text import dump

    return value if isinstance(value, str) else dump(value).strip().removesuffix("...").strip()


def say(text: str) -> None:
    """Print a line on stderr, passwords masked. Do nothing if stderr was closed by its reader."""
    with suppress(BrokenPipeError):
        # In one piece: `print` writes the end of the line by itself, and other threads print, too.
        sys.stderr.write(f"{masked(text)}\n")
        sys.stderr.flush()


def _ignore(_line: str) -> None:
    """Print nothing."""
