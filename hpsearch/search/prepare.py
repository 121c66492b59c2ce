"""Check that every dataset of a study is there and fits, before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path

from hpsearch.catalogue.datasets import is_user_dataset
from hpsearch.config.checking import UserDataset, dataset_paths, dataset_problems
from hpsearch.config.problems import problem_error, raise_problems
from hpsearch.config.study import StudySpec
from hpsearch.data.store import obtain_training
from hpsearch.errors import DataError, EnvironmentProblem, StudyChangedError
from hpsearch.executors.protocol import DIGEST, Executor, Job, TrialEnded, WorkerFailed
from hpsearch.search.contents import Contents
from hpsearch.search.runner import run_job
from hpsearch.search.stop import Stop
from hpsearch.training.results import Outcome


def prepare_data(spec: StudySpec, report: Callable[[str], None]) -> dict[str, UserDataset]:
    """Fetch the catalogue's datasets, and check the user's own files and the packages that the sampler needs.

    Returns:
        Shape, type and size of the user's own files, by name.

    Raises:
        DataError: a dataset cannot be loaded, or breaks a rule.
        StudyFileError: a file is missing, or a trial of the study would not fit it.
        EnvironmentProblem: a package that the sampler needs is missing.
    """
    check_packages(spec)
    for name in spec.datasets():
        obtain_training(name, report)
    return check_files(spec)


# The packages that samplers need and that `pip install hpsearch` does not install.
SAMPLER_PACKAGES = {"gp": "torch"}


def check_packages(spec: StudySpec) -> None:
    """Check that the package that the study's sampler needs is installed; it is not imported.

    Raises:
        EnvironmentProblem: it is missing.
    """
    sampler = spec.search.sampler.name
    package = SAMPLER_PACKAGES.get(sampler)
    if package and find_spec(package) is None:
        raise EnvironmentProblem(f"search.sampler: {sampler} needs another package: pip install {package}")


def check_files(spec: StudySpec) -> dict[str, UserDataset]:
    """Read the training parts of the user's own `.npz` files, and check the study against them.

    Raises:
        DataError: a file breaks a rule.
        StudyFileError: a file is missing, or a trial of the study would not fit it.
    """
    files = [name for name in spec.datasets() if name.endswith(".npz")]
    if not files:
        return {}
    from hpsearch.data.user_data import find, load_npz, summary_of

    paths, missing = dataset_paths(spec), []
    for name in files:
        try:
            find(name, spec.folders)
        except DataError as error:
            missing.append((paths[name], str(error)))
    raise_problems(spec.document, missing)
    user_datasets = {name: summary_of(load_npz(name, "train", spec.folders)) for name in files}
    check_fits(spec, user_datasets)
    return user_datasets


def check_fits(spec: StudySpec, user_datasets: Mapping[str, UserDataset]) -> None:
    """Check a study against the user's own datasets.

    Raises:
        StudyFileError: a trial of the study would not fit one of them.
    """
    raise_problems(spec.document, dataset_problems(spec, user_datasets))


def inspect_functions(
    spec: StudySpec, executor: Executor, contents: Contents, log: Path, stop: Stop
) -> tuple[dict[str, UserDataset], Contents]:
    """Call the user's own dataset functions twice, in a worker, and check the study against what they return.

    Args:
        contents: the digests of the study's files and modules.
        log: the file of the workers' output.
        stop: checked while a function runs.

    Returns:
        Shape, type and size of the returned datasets, by name, and the contents with their digests. Both are incomplete
        if the user stopped the run.

    Raises:
        DataError: what a function returns breaks a rule, or is not the same in both calls.
        StudyFileError: a function cannot be called, or a trial of the study would not fit what it returns.
        StudyChangedError: a module was edited since the run began.
    """
    paths, user_datasets = dataset_paths(spec), dict[str, UserDataset]()
    for name in [name for name in spec.datasets() if is_user_dataset(name) and not name.endswith(".npz")]:
        config = next(config for config in spec.keras_corners if config.data.dataset == name)
        sources = contents.expected_sources()
        job = Job(-1, config.plain(), {"metric": "loss"}, inspect_data=True, source_digests=sources)
        end = run_job(executor, job, lambda: stop.asked)
        if end is None:
            break
        if isinstance(end, TrialEnded) and end.changed:
            raise StudyChangedError(end.detail)
        if isinstance(end, WorkerFailed) or end.outcome is not Outcome.COMPLETED:
            detail = end.detail.removeprefix("data.dataset: ")
            if detail.startswith("dataset "):
                raise DataError(detail)
            raise problem_error(spec.document, [(paths[name], f"{detail}; its traceback is in {log}")])
        info = dict(end.info)
        contents = replace(contents, data={**contents.data, name: info[DIGEST]})
        user_datasets[name] = UserDataset(**{each.name: info[each.name] for each in fields(UserDataset)})
    check_fits(spec, user_datasets)
    return user_datasets, contents
