"""Who competes, one row each: what it is, the command that runs it, and how its results are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .configurations import study_file
from .results import BenchmarkError, TrainedConfiguration
from .task import Task

ROOT = Path(__file__).parents[2]
WORKERS = 2
HPSEARCH = "hpsearch"


def _no_environment(_task: Task) -> dict[str, str]:
    return {}


def _peer_results(task: Task) -> list[TrainedConfiguration]:
    lines = task.results.read_text(encoding="utf-8").splitlines() if task.results.exists() else []
    return [TrainedConfiguration(**json.loads(line)) for line in lines]


@dataclass(frozen=True)
class Contender:
    """One row.

    Attributes:
        name: as `--who` takes it.
        about: what it is, in a sentence of the report.
        command: writes what it needs into the task's home and returns the command to be timed.
        environment: variables that it needs beyond those of all.
        read: the results, after the run and outside of the timing.
        usual: whether it runs when nobody says who.
    """

    name: str
    about: str
    command: Callable[[Task], list[str]]
    environment: Callable[[Task], Mapping[str, str]] = _no_environment
    read: Callable[[Task], list[TrainedConfiguration]] = _peer_results
    usual: bool = True


def _hpsearch(task: Task) -> list[str]:
    study = study_file(
        task.list_name, task.configurations, task.settings.data_section(), task.settings.epochs, task.seed
    )
    file = task.home / "study.yaml"
    file.write_text(json.dumps(study, indent=1), encoding="utf-8")  # JSON is YAML
    return [sys.executable, "-m", "hpsearch", "run", str(file), "--workers", str(WORKERS), "--home", _mlruns(task)]


def _mlruns(task: Task) -> str:
    return str(task.home / "mlruns")


def _ask_hpsearch(task: Task, command: str) -> Any:
    arguments = [sys.executable, "-m", "hpsearch", command, task.list_name, "--home", _mlruns(task), "-f", "json"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"`hpsearch {command}` failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _hpsearch_results(task: Task) -> list[TrainedConfiguration]:
    """Trial i is entry i of the list: checked, since an entry that was not used would be drawn at random."""
    trials, count = _ask_hpsearch(task, "trials"), len(task.configurations)
    states = [trial["state"] for trial in trials]
    if states != ["COMPLETE"] * count:
        raise BenchmarkError(f"hpsearch must end with {count} trials COMPLETE, but has {states}")
    for trial, configuration in zip(trials, task.configurations, strict=True):
        trained = (trial["params"]["learning_rate"], trial["params"]["batch_size"])
        asked = (configuration["optimizer"]["learning_rate"], configuration["batch_size"])
        if trained != asked:
            raise BenchmarkError(f"trial {trial['number']} trained {trained}, not {asked}")
    epochs = _ask_hpsearch(task, "show")["epochs"]
    if epochs != count * task.settings.epochs:
        raise BenchmarkError(f"hpsearch must train {count * task.settings.epochs} epochs, but trained {epochs}")
    return [TrainedConfiguration(trial["number"], trial["value"], epochs // count) for trial in trials]


def _empty_cache(task: Task) -> dict[str, str]:
    """A cache that holds the dataset and nothing else, as on a machine that never ran a study."""
    from hpsearch.data.store import cache_folder

    cache = task.home / "cache"
    cache.mkdir()
    (cache / "datasets").symlink_to(cache_folder() / "datasets")
    return {"HPSEARCH_CACHE": str(cache)}


def _peer(module: str, *options: str) -> Callable[[Task], list[str]]:
    def command(task: Task) -> list[str]:
        task.save()
        return [sys.executable, "-m", f"tests.benchmarks.peers.{module}", str(task.file), *options]

    return command


_ROWS = (
    Contender(
        HPSEARCH,
        f"`hpsearch run FILE --workers {WORKERS}`, its MLflow logging on; the user's own cache",
        _hpsearch,
        read=_hpsearch_results,
    ),
    Contender(
        "hpsearch_cold",
        "the same with a cache that holds the dataset only: nothing that an earlier run compiled",
        _hpsearch,
        _empty_cache,
        _hpsearch_results,
        usual=False,
    ),
    Contender(
        "keras_tuner",
        "KerasTuner, its own run_trial with checkpoints; 1 process, default threads; no MLflow",
        _peer("with_keras_tuner"),
    ),
    Contender(
        "optuna",
        "Optuna (SQLite) and `model.fit`, MLflow (SQLite) from a Keras callback each epoch; 1 process, default threads",
        _peer("with_optuna", "--mlflow"),
    ),
    Contender(
        "optuna_2",
        "Optuna (SQLite) and `model.fit`; 2 processes of 1 thread share the study; no MLflow",
        _peer("with_optuna", "--processes=2"),
    ),
    Contender(
        "tuned_2",
        "as optuna_2, `fit` with jit_compile, steps_per_execution of a whole epoch, data as tensors; no MLflow",
        _peer("with_optuna", "--processes=2", "--tuned=jit"),
    ),
    Contender(
        "tuned_2_graph",
        "as tuned_2 without jit_compile: nothing compiled for a trial that is too short to win it back",
        _peer("with_optuna", "--processes=2", "--tuned=graph"),
    ),
    Contender(
        "ray_tune",
        "Ray Tune and `model.fit`, 2 trials at once of 1 CPU and 1 thread, reuse_actors, no dashboard; no MLflow",
        _peer("with_ray"),
        lambda _task: {"RAY_USAGE_STATS_ENABLED": "0"},
    ),
)
CONTENDERS = {row.name: row for row in _ROWS}
