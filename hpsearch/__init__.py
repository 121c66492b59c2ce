"""hpsearch: which optimizer, which learning rate, which schedule for this Keras model?

    >>> import hpsearch
    >>> study = hpsearch.run("quickstart", workers=2)                         # doctest: +SKIP
    >>> study.best_trial.number, study.best_value                             # doctest: +SKIP
    >>> study.trials_dataframe().sort_values("value", ascending=False)        # doctest: +SKIP
    >>> study.export("best.yaml")                                             # doctest: +SKIP

The way of the data, from left to right:

    a study file -> StudySpec -> TrialConfig -> EpochMetrics, EpochMetrics, ... -> TrialRecord -> tables, MLflow, export
       config/        search/       training/          search/ (Optuna)              analysis/, tracking/, export/

The packages; each imports only from those above it:

    errors      what users read when something is wrong, with exit codes
    catalogue   what can be chosen: optimizers, schedules, models, losses, datasets, metrics; one entry each
    config      study files and configurations, checked as a whole
    data        datasets: found, verified, split
    training    one trial: a configuration and data become the metrics of one epoch after the other
    executors   where trials run: worker processes
    search      a study: the runner and its policies, samplers, pruners, finalists, the reading of the test set
    analysis    results of finished trials: comparisons, finalists with intervals
    report      pictures and pages of what analysis returns
    tracking    MLflow: runs, models and the registry
    export      results as files, and configurations trained again
    display     the progress of a study in the terminal
    api         the Python API, for the commands, notebooks and scripts
    cli         the commands
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpsearch.api import Study, open_study, run

__all__ = ["Study", "open_study", "run"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Not at the top: this import loads modules of the standard library. A file in the current folder may shadow
        # them until `hpsearch.__main__` has taken that folder off the path.
        from importlib.metadata import version

        return version("hpsearch")
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("hpsearch.api"), name)
    raise AttributeError(f"module 'hpsearch' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
