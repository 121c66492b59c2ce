"""A study of many trials: how long the commands take, and what telling MLflow takes of the coordinator's time.

python -m tests.benchmarks.many_trials [--trials 1000]     (1,000 take about ten minutes)

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from hpsearch.cli.main import app
from hpsearch.config.study import StudySpec, load_study
from hpsearch.search.home import Home
from hpsearch.tracking import listener as module
from hpsearch.tracking.client import database_uri
from hpsearch.tracking.run_states import DesiredRuns
from hpsearch.tracking.ui import UiServer, choose_port, experiment_of, view_url
from hpsearch.tracking.view_state import view_state
from hpsearch.tracking.writer import MlflowWriter

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


class Measured(module.MlflowListener):
    """Says what its thread took of a processor: once, to import MLflow and to find what is there, and to write."""

    once = writing = 0.0

    def _work(self, writer: MlflowWriter, desired: Callable[[module.Snapshot], DesiredRuns]) -> None:
        writer.open()
        Measured.once = time.thread_time()
        super()._work(writer, desired)
        Measured.writing = time.thread_time() - Measured.once


def run(file: Path, home: Home, trials: int, pause: float) -> str:
    """Train to the total by the real command, in this process; what MLflow's thread took."""
    file.with_name("pause").write_text(str(pause))
    words = ["run", str(file), "--trials", str(trials), "--workers", str(WORKERS), "--home", str(home.root)]
    began = time.perf_counter()
    with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        app(words, standalone_mode=False)
    wall = time.perf_counter() - began
    return (
        f"{wall:.0f} s, of which MLflow's thread took {Measured.once:.1f} s of a processor once and "
        f"{Measured.writing:.2f} s to write, {Measured.writing / wall:.1%}"
    )


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
    module.MlflowListener = Measured  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "many.yaml"
        file.write_text(STUDY)
        file.with_name("many_training.py").write_text(TRAINING)
        spec, home = load_study(file), Home(Path(folder) / "home")
        print(f"{trials} trials that train nothing: {run(file, home, trials, 0.0)}")
        figures = {
            words: command(home, *words.split()) for words in ("trials many", "best many", "show many", "studies")
        }
        figures |= pages(spec, home)
        figures["doctor many"] = doctor(home)
        empty = database_uri(Path(folder) / "empty.db")
        figures["doctor many --repair, into an empty database"] = doctor(home, "--repair", "--tracking-uri", empty)
        slow = run(file, home, trials + MORE, EPOCH_SECONDS)
    print("\n| what | seconds |\n| --- | --- |")
    for what, seconds in figures.items():
        print(f"| {what} | {seconds:.1f} |")
    print(f"\n{MORE} more trials with epochs of {EPOCH_SECONDS} s: {slow}")


if __name__ == "__main__":
    main()
