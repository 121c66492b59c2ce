"""A study of many trials: how long the commands take, and what writing to MLflow takes of the coordinator's time.

python -m tests.benchmarks.many_trials [--trials 1000]     (1,000 take six minutes)

The trials train nothing: a function yields twelve metrics for each of 20 epochs. At the end some more trials are run
whose epochs take as long as those of the quickstart, to see the share of MLflow where there is something to train.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from hpsearch.config.study import StudySpec, load_study
from hpsearch.export.yaml_file import best_yaml
from hpsearch.search.home import Home
from hpsearch.search.run import Request, run_study
from hpsearch.search.stop import Stop
from hpsearch.tracking.mlflow_listener import MlflowListener
from hpsearch.tracking.mlflow_store import database_uri
from hpsearch.tracking.projector import Projector
from hpsearch.tracking.target import Target
from hpsearch.tracking.ui import UiServer, choose_port, experiment_of, view_url
from hpsearch.tracking.view_state import view_state

EPOCHS, WORKERS, EPOCH_SECONDS, MORE = 20, 2, 0.35, 20
TRAINING = """
import time
from pathlib import Path

def train(config, seed):
    pause = float(Path(__file__).with_name("pause").read_text())
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(pause)
        loss = config["learning_rate"] ** 0.1 + 1 / epoch
        metrics = {"loss": loss, "accuracy": 1 / (1 + loss), "val_loss": loss, "val_accuracy": 1 / (1 + loss)}
        yield metrics | {f"figure_{number}": number * loss for number in range(7)}
"""
STUDY = f"""
name: many
trainable: many_training:train
trial:
  epochs: {EPOCHS}
  learning_rate: {{float: [0.0001, 1.0], log: true}}
  optimizer: {{choice: [sgd, adam, rmsprop]}}
  batch_size: {{choice: [32, 64, 128]}}
search: {{sampler: random, pruner: none}}
"""


class Measured(MlflowListener):
    """Says what its thread took of a processor."""

    seconds = 0.0

    def _work(self, projector: Projector) -> None:
        super()._work(projector)
        self.seconds = time.thread_time()


def run(spec: StudySpec, home: Home, trials: int, pause: float) -> tuple[float, float]:
    """Train to the total; the wall seconds and those that MLflow's thread took of a processor."""
    Path(spec.document.name).with_name("pause").write_text(str(pause))
    followers: list[Measured] = []

    def listeners(study: Any) -> list[Measured]:
        def render(spec: StudySpec, record: Any) -> str:
            return best_yaml(spec.name, spec.objective, record)

        followers.append(Measured(Target(home), study.provenance, render_best=render, report=print))
        return followers

    began = time.perf_counter()
    run_study(Request(spec, STUDY, trials, WORKERS), home, listeners, Stop(), print)
    return time.perf_counter() - began, followers[0].seconds


def command(home: Home, *words: str) -> float:
    """Wall seconds of a command, which must succeed."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "hpsearch", *words, "--home", str(home.root)], check=True, capture_output=True
    )
    return time.perf_counter() - began


def doctor(home: Home, *words: str) -> float:
    return command(home, "doctor", "many", *words)


@contextmanager
def timed(figures: dict[str, float], what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    figures[what] = time.perf_counter() - began


def pages(spec: StudySpec, home: Home) -> dict[str, float]:
    """Seconds until `hpsearch ui` answers, and of what the comparison view asks for then."""
    figures: dict[str, float] = {}
    with UiServer(home, choose_port(None)) as server:
        with timed(figures, "ui: until its address answers"):
            server.wait_until_it_answers()
            experiment = experiment_of(server.url, spec.name)
            urlopen(view_url(server.url, experiment).partition("#")[0]).read()
        state = view_state(spec)
        order = [f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"]
        asked = {"experiment_ids": [experiment], "filter": state["searchFilter"], "order_by": order, "max_results": 100}
        request = HttpRequest(
            f"{server.url}/ajax-api/2.0/mlflow/runs/search",
            json.dumps(asked).encode(),
            {"Content-Type": "application/json"},
        )
        with timed(figures, "ui: the first hundred trials, best first"):
            assert len(json.load(urlopen(request))["runs"]) == 100
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials: int = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "many.yaml"
        file.write_text(STUDY)
        file.with_name("many_training.py").write_text(TRAINING)
        spec, home = load_study(file), Home(Path(folder) / "home")
        wall, writing = run(spec, home, trials, 0.0)
        print(f"{trials} trials that train nothing: {wall:.0f} s, MLflow's thread {writing:.1f} s of a processor")
        figures = {
            words: command(home, *words.split()) for words in ("trials many", "best many", "show many", "studies")
        }
        figures |= pages(spec, home)
        figures["doctor many"] = doctor(home)
        empty = database_uri(Path(folder) / "empty.db")
        figures["doctor many --repair, into an empty database"] = doctor(home, "--repair", "--tracking-uri", empty)
        wall, writing = run(spec, home, trials + MORE, EPOCH_SECONDS)
    print("\n| what | seconds |\n| --- | --- |")
    for what, seconds in figures.items():
        print(f"| {what} | {seconds:.1f} |")
    print(
        f"\n{MORE} more trials with epochs of {EPOCH_SECONDS} s: {wall:.0f} s, MLflow's thread {writing:.2f} s of a "
        f"processor, {writing / wall:.1%}"
    )


if __name__ == "__main__":
    main()
