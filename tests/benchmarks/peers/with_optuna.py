"""Plain Optuna: the list is enqueued, `study.optimize` goes through it, in one process or in several.

The index of the configuration is the one parameter, which spares these peers the writing of the others.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from ..task import Task

_STUDY = "list"
_INDEX = "index"
_VALIDATION_BATCH = 1000


def _storage(task: Task) -> str:
    return f"sqlite:///{task.home / 'optuna.db'}"


def _create(task: Task) -> None:
    study = optuna.create_study(storage=_storage(task), study_name=_STUDY, direction="maximize")
    for index in range(len(task.configurations)):
        study.enqueue_trial({_INDEX: index}, user_attrs={_INDEX: index})


def _optimize(task: Task, train: Callable[[Task, int], float]) -> None:
    """Trials until the list is used up, by this process or another."""
    import keras

    def objective(trial: optuna.Trial) -> float:
        if _INDEX not in trial.user_attrs:
            trial.study.stop()
            raise optuna.TrialPruned("the list is used up")
        keras.backend.clear_session()
        return train(task, trial.suggest_int(_INDEX, 0, len(task.configurations) - 1))

    optuna.load_study(storage=_storage(task), study_name=_STUDY).optimize(objective)


def _plain(task: Task, index: int) -> float:
    from .training import compiled_model, fit

    return fit(task, index, compiled_model(task, index))


def _with_mlflow(task: Task, index: int) -> float:
    import keras
    import mlflow

    from .training import compiled_model, fit

    class LogEpochs(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            mlflow.log_metrics(logs or {}, step=epoch)

    mlflow.set_tracking_uri(f"sqlite:///{task.home / 'mlflow.db'}")
    mlflow.set_experiment(_STUDY)
    configuration = task.configurations[index]
    with mlflow.start_run(run_name=f"trial {index}"):
        mlflow.log_params({**configuration["optimizer"], "batch_size": configuration["batch_size"]})
        mlflow.log_params({f"schedule_{name}": value for name, value in configuration["schedule"].items()})
        best = fit(task, index, compiled_model(task, index), callbacks=[LogEpochs()])
        mlflow.log_metric("best_val_accuracy", best)
    return best


def _tuned(task: Task, index: int, jit: bool) -> float:
    """What `fit` can do: an epoch is one call, in one graph; data are tensors, so that no trial copies them."""
    from .training import compiled_model, fit, load_tensors

    model = compiled_model(task, index, jit_compile=jit, steps_per_execution=task.updates(index))
    return fit(task, index, model, load_tensors(task.data), validation_batch_size=_VALIDATION_BATCH)


def _start_workers(count: int) -> list[subprocess.Popen[bytes]]:
    """The same command with `--worker`, as a user would start it in several terminals."""
    command: Any = [sys.executable, "-m", __spec__.name, *sys.argv[1:], "--worker"]
    return [subprocess.Popen(command) for _ in range(count)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--mlflow", action="store_true")
    parser.add_argument("--tuned", choices=("jit", "graph"))
    parser.add_argument("--worker", action="store_true", help="the study is there: work on it")
    options = parser.parse_args()
    task = Task.load(options.task)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not options.worker:
        _create(task)
        if options.processes > 1:
            return max(worker.wait() for worker in _start_workers(options.processes))
    if options.processes > 1:
        from .training import limit_threads

        limit_threads()
    if options.tuned:
        _optimize(task, partial(_tuned, jit=options.tuned == "jit"))
    else:
        _optimize(task, _with_mlflow if options.mlflow else _plain)
    return 0


if __name__ == "__main__":
    sys.exit(main())
