"""hpsearch: which optimizer, which learning rate, which schedule for this Keras model?

One way through, from left to right; nobody imports from its right:

    a study file -> StudySpec -> TrialConfig -> EpochMetrics, EpochMetrics, ... -> TrialResult -> tables, MLflow, export
       config/        search/       training/        search/ tells Optuna and its listeners

    errors      what people read when something is wrong, with exit codes
    catalogue   what can be chosen: optimizers, schedules, models, losses, datasets; one row each
    config      study files and configurations, checked as a whole
    data        datasets: found, verified, split
    training    one trial: a configuration and data become a stream of epoch rows
    executors   where trials run: worker processes
    search      a study: ask, dispatch, report, prune, tell; then its finalists, and once the test set
    analysis    what finished trials say: comparisons, finalists with intervals, tables and pictures
    tracking    listeners: MLflow, the terminal; models and the registry
    export      a result taken away, and trained again
    cli         the commands
"""


def __getattr__(name: str) -> str:
    if name == "__version__":
        # Not at the top: its import takes the modules of Python's own that a file in the current folder may shadow,
        # before `hpsearch.__main__` has taken that folder off the path.
        from importlib.metadata import version

        return version("hpsearch")
    raise AttributeError(f"module 'hpsearch' has no attribute '{name}'")
