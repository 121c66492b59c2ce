"""What the coordinator itself costs for each event, and what a proposal of the sampler costs, as a study grows.

    python -m tests.benchmarks.coordinator_cost [--trials 10000]     (10,000 trials take about ten minutes)

The trials are a user's own function that only sleeps; the sampler is random, nothing is pruned, and no listener writes
to MLflow. The cost is the processor time of the coordinator's process over the last 100 trials before each mark, by
their events: the start, three epochs and the end of a trial. The proposals of TPE are timed apart, in a view of the
study as it was at each mark.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import optuna
import psutil

from hpsearch.config.study import StudySpec, load_study
from hpsearch.executors.local import LocalExecutor
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.records import TrialRecord
from hpsearch.search.sampler_view import SamplerView
from hpsearch.search.stop import Stop
from hpsearch.search.storage import StoredStudy, begin_study

MARKS, WINDOW, EPOCHS, PROPOSALS = (100, 1_000, 10_000), 100, 3, 10
TRAINING = f"""
import time

def train(config, seed):
    for epoch in range({EPOCHS}):
        time.sleep(0.001)
        yield {{"value": (config["x"] - 0.3) ** 2 + config["y"] * 1e-3 * epoch}}
"""
STUDY = """
name: cost
trainable: cost_training:train
objective: {metric: value, direction: minimize}
trial: {x: {float: [0, 1]}, y: {float: [0.0001, 1], log: true}, kind: {choice: [a, {z: {float: [0, 1]}}]}}
search: {sampler: %s, pruner: none, trials: %d}
"""


class _Clock(Listener):
    """Notes the processor time and the memory of this process when so many trials have ended."""

    def __init__(self) -> None:
        self.ended = 0
        self.times: dict[int, float] = {}
        self.memory: dict[int, float] = {}

    def trial_ended(self, record: TrialRecord) -> None:
        self.ended += 1
        if any(self.ended in (mark - WINDOW, mark) for mark in MARKS) or self.ended == 1:
            self.times[self.ended] = time.process_time()
            self.memory[self.ended] = psutil.Process().memory_info().rss / 2**20


def run(folder: Path, trials: int) -> tuple[_Clock, StoredStudy]:
    """Run the study; return what was noted, and the study."""
    spec, clock = _spec(folder, "random", trials), _Clock()
    study = begin_study(Home(folder / "home"), spec, "")
    executor = LocalExecutor(2, folder / "workers.log", print, [folder], keras=False)
    try:
        Coordinator(
            study, spec, executor, lambda: [clock], total=trials, stop=Stop(), checkpoints=folder / "checkpoints"
        ).run("", 2)
    finally:
        executor.close()
    return clock, study


def _spec(folder: Path, sampler: str, trials: int) -> StudySpec:
    (folder / "cost_training.py").write_text(TRAINING)
    file = folder / "cost.yaml"
    file.write_text(STUDY % (sampler, trials))
    return load_study(file)


def proposal_ms(folder: Path, trials: list[optuna.trial.FrozenTrial], study: StoredStudy, mark: int) -> float:
    """Return the median time of a proposal by TPE after `mark` trials, in ms."""
    view, records = SamplerView(_spec(folder, "tpe", mark)), study.records()
    view.load(trials[:mark], records[:mark])
    seconds = []
    for number in range(mark, mark + PROPOSALS):
        began = time.perf_counter()
        view.begin_new(number, lambda _drawn: True)
        seconds.append(time.perf_counter() - began)
        view.forget(number)
    return 1e3 * statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=MARKS[-1])
    trials = parser.parse_args().trials
    folder = Path(tempfile.mkdtemp())
    clock, study = run(folder, trials)
    stored = study.optuna.get_trials(deepcopy=False)
    print("trials   ms an event   memory MiB   ms a proposal of TPE")
    for mark in (mark for mark in MARKS if mark <= trials):
        before = mark - WINDOW if mark > WINDOW else 1
        events = (mark - before) * (EPOCHS + 2)
        cost = 1e3 * (clock.times[mark] - clock.times[before]) / events
        proposal = proposal_ms(folder, stored, study, mark)
        print(f"{mark:6,}   {cost:11.2f}   {clock.memory[mark]:10.0f}   {proposal:20.1f}")


if __name__ == "__main__":
    main()
