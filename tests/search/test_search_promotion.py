"""The pruner `asha`: trials pause at rungs, the best go on, and what they train is what they would have trained."""

from __future__ import annotations

import os
import random
import signal

import pytest

from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.config.file import Asha, Objective, SearchConfig
from hpsearch.config.study import load_study
from hpsearch.data.store import obtain
from hpsearch.executors.local import LocalExecutor
from hpsearch.executors.protocol import Decision, Job
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.promotion import AshaPruner
from hpsearch.search.pruning import AshaStopPruner, make_pruner, rung_epochs
from hpsearch.search.run import is_complete
from hpsearch.search.runner import JobList, run_trials
from hpsearch.search.stop import Stop
from hpsearch.search.storage import begin_study
from hpsearch.training.results import CLOCKS, Outcome

MAXIMIZE = Objective(metric="value", direction="maximize")


def make(total: int, max_epochs: int = 30, **settings: int) -> AshaPruner:
    pruner = AshaPruner(Asha(**settings), MAXIMIZE, max_epochs)
    pruner.set_total(total, 0)
    return pruner


def test_rungs_are_the_powers_below_the_last_epoch():
    assert list(rung_epochs(Asha(), 30)) == [2, 6, 18]
    assert list(rung_epochs(Asha(min_resource=1, reduction_factor=2), 8)) == [1, 2, 4]
    assert list(rung_epochs(Asha(min_resource=4), 4)) == []


def test_a_user_s_own_function_has_no_state_to_keep_so_its_trials_are_stopped():
    assert isinstance(make_pruner(SearchConfig(pruner=Asha()), MAXIMIZE, None), AshaStopPruner)
    assert isinstance(make_pruner(SearchConfig(pruner=Asha()), MAXIMIZE, 30), AshaPruner)


@pytest.mark.parametrize("seed", range(5))
def test_who_goes_on_is_who_algorithm_2_names(seed):  # noqa: PLR0912
    """One worker; equal values occur. The reference sorts all trials of a rung each time."""
    source = random.Random(seed)
    factor, total, rungs = 3, 60, [1, 3, 9]
    pruner = make(total, 27, min_resource=1, reduction_factor=factor)
    gains: dict[int, dict[int, float]] = {rung: {} for rung in rungs}
    promoted: dict[int, set[int]] = {rung: set() for rung in rungs}
    begun, finished, paused = 0, set(), dict[int, int]()

    def expected(last: bool) -> int | None:
        for rung in reversed(rungs):
            order = sorted(gains[rung], key=lambda trial: (-gains[rung][trial], trial))
            allowed = max(int(last), len(order) // factor)
            better = {trial: sum(gain > gains[rung][trial] for gain in gains[rung].values()) for trial in order}
            candidates = [trial for trial in order if better[trial] < allowed and trial not in promoted[rung]]
            if candidates:
                return candidates[0]
        return None

    for _ in range(500):
        last = begun == total
        trial = pruner.promote(last=last)
        assert trial == expected(last)
        if trial is None and last:
            break
        if trial is None:
            trial, begun, start = begun, begun + 1, 0
        else:
            start = paused.pop(trial)
            promoted[start].add(trial)
            kept = {rung: gains[rung][trial] for rung in rungs if trial in gains[rung]}
            pruner.forget(trial)
            for rung, gain in kept.items():
                pruner.report(trial, rung, gain)
        for epoch in range(start + 1, 28):
            pruner.report(trial, epoch, round(source.random(), 1))
            decision = pruner.decide(trial, epoch, pausable=True)
            if epoch in rungs:
                gains[epoch][trial] = pruner._rungs[epoch]._keys[trial][0] * -1
            for hopeless in pruner.hopeless():
                assert hopeless in paused
                pruner.end(hopeless, completed=False)
                promoted[paused.pop(hopeless)].add(hopeless)
            if decision is Decision.CONTINUE:
                if epoch in rungs:
                    promoted[epoch].add(trial)
                continue
            if decision is Decision.PAUSE:
                paused[trial] = epoch
                pruner.pause(trial)
            else:
                promoted[epoch].add(trial)
                pruner.end(trial, completed=False)
            break
        else:
            finished.add(trial)
            pruner.end(trial, completed=True)
    assert begun == total
    assert finished
    assert all(pruner._rungs[rung].rank(trial) < pruner._rungs[rung].limit for trial, rung in paused.items())


FAMILIES = [name for name, entry in OPTIMIZERS.items() if not entry.needs_closure and name != "custom"]
STUDY = """
name: paused
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: mlp, units: [8], batch_normalization: true}
  optimizer: {choice: [%s]}
  batch_size: {choice: [128, 256]}
  schedule: {choice: [constant, cosine]}
  training: {max_epochs: 5, engine: graph, early_stopping: null}
search: {sampler: random, trials: %d, pruner: {name: asha, min_resource: 1, reduction_factor: 2}, seed: 3}
"""


class _KillsWorkers(Listener):
    """Kills every worker, once, when some trials are paused: whoever is continued finds another worker."""

    def __init__(self, executor: LocalExecutor) -> None:
        self._executor, self.paused, self.resumed, self.killed = executor, [], [], False

    def trial_started(self, record):
        if record.epochs:
            self.resumed.append(record.number)

    def trial_paused(self, record):
        self.paused.append(record.number)
        if len(self.paused) == 2:
            for pid in self._executor.pids():
                os.kill(pid, signal.SIGKILL)
            self.killed = True


def rows_of(epochs):
    return [{k: v for k, v in epoch.plain().items() if k not in CLOCKS} for epoch in epochs]


@pytest.mark.parametrize(
    "families", [["sgd", "adam"], pytest.param(FAMILIES, marks=pytest.mark.e2e)], ids=["two", "all"]
)
def test_a_promoted_trial_has_the_bits_of_one_that_was_never_paused(families, tmp_path):
    """Two workers, all of them killed between pause and promotion; then each configuration alone in a new worker."""
    obtain("fashion_mnist_sample")
    file = tmp_path / "paused.yaml"
    file.write_text(STUDY % (", ".join(families), 2 * len(families) + 10))
    spec = load_study(file)
    study = begin_study(Home(tmp_path / "home"), spec, file.read_text())
    executor = LocalExecutor(2, tmp_path / "workers.log", print, threads=1)
    listener = _KillsWorkers(executor)
    try:
        ended = Coordinator(
            study, spec, executor, lambda: [listener], total=spec.total(), stop=Stop(), checkpoints=tmp_path / "states"
        ).run(file.read_text(), 2)
    finally:
        executor.close()
    assert listener.killed
    assert listener.resumed
    assert {record.state for record in ended.records} == {"COMPLETE", "PRUNED"}
    # The untuned default was trained to its end, the other baselines were paused as any trial.
    reference = next(r for r in ended.records if r.baseline and r.flat["optimizer"] == "adam")
    assert reference.outcome is Outcome.COMPLETED
    pruned = {str(record.number) for record in ended.records if record.outcome is Outcome.PRUNED}
    assert {file.stem for file in (tmp_path / "states").iterdir()} <= pruned
    optimizers = {record.flat["optimizer"] for record in ended.records if len(record.epochs) > 1}
    policy = JobList(
        Job(record.number, record.config.plain(), study.objective.model_dump(mode="json")) for record in ended.records
    )
    alone = LocalExecutor(1, tmp_path / "alone.log", print, threads=1)
    try:
        run_trials(alone, policy)
    finally:
        alone.close()
    for record in ended.records:
        assert rows_of(record.epochs) == rows_of(policy.epochs[record.number][: len(record.epochs)])
    assert len(optimizers) >= min(2, len(families))


@pytest.mark.e2e
def test_a_paused_study_that_is_interrupted_anywhere_is_that_of_an_undisturbed_one(tmp_path):
    """One worker; the run is stopped after every second event and goes on from what is recorded."""
    obtain("fashion_mnist_sample")
    executor = LocalExecutor(1, tmp_path / "workers.log", print, threads=1)
    told = []
    try:
        for name, every in (("whole", 0), ("stopped", 2)):
            file = tmp_path / f"{name}.yaml"
            search = "search: {sampler: {name: tpe, startup_trials: 3}, trials: 10, seed: 3, pruner: {name: asha, "
            text = (STUDY % ("sgd, adam", 10)).replace("name: paused", f"name: {name}")
            text = text[: text.index("search:")] + search + "min_resource: 1, reduction_factor: 2}}\n"
            file.write_text(text)
            spec = load_study(file)
            study, runs = begin_study(Home(tmp_path / "home"), spec, text), 0
            while True:
                stop = Stop()
                listener = _Stops(stop, every)
                coordinator = Coordinator(
                    study,
                    spec,
                    executor,
                    lambda listener=listener: [listener],
                    total=spec.total(),
                    stop=stop,
                    checkpoints=tmp_path / name,
                )
                ended = coordinator.run(text, 1)
                runs += 1
                if not ended.interrupted:
                    break
                # As after Ctrl-C: the trial of the busy worker has ended with its process.
                executor.close()
                executor = LocalExecutor(1, tmp_path / "workers.log", print, threads=1)
            told.append([(r.params, r.outcome, r.best, r.rungs, rows_of(r.epochs)) for r in ended.records])
            assert every == 0 or runs > 2
    finally:
        executor.close()
    assert told[0] == told[1]


@pytest.mark.e2e
def test_a_study_that_is_extended_continues_what_its_search_left_as_new_trials(tmp_path):
    """The new trials of the second search are bad ones, so that those that the first one left are among the best."""
    obtain("fashion_mnist_sample")
    file = tmp_path / "paused.yaml"
    file.write_text(STUDY % ("sgd, adam", 10))
    spec = load_study(file)
    home = Home(tmp_path / "home")
    study = begin_study(home, spec, file.read_text())
    executor = LocalExecutor(2, tmp_path / "workers.log", print, threads=1)
    states, results = tmp_path / "states", []
    try:
        for total, learning_rate in ((8, 1.0), (20, 0.0005)):
            assert not is_complete(study, total)
            coordinator = Coordinator(study, spec, executor, list, total=total, stop=Stop(), checkpoints=states)
            _propose_below(coordinator, learning_rate)
            results.append(coordinator.run(file.read_text(), 2).records)
            assert is_complete(study, total)
        first, second = results
        assert {file.stem for file in states.iterdir()} <= {
            str(r.number) for r in second if r.outcome is Outcome.PRUNED
        }
        continuing = [record for record in second if record.continues is not None]
        assert continuing
        assert len(second) == 20 + len(continuing)
        policy = JobList(Job(r.number, r.config.plain(), study.objective.model_dump(mode="json")) for r in continuing)
        run_trials(executor, policy)
    finally:
        executor.close()
    for record in continuing:
        left = first[record.continues]
        assert left.outcome is Outcome.PRUNED
        assert (record.config, record.params) == (left.config, left.params)
        assert record.epochs[: len(left.epochs)] == left.epochs
        assert len(record.epochs) > len(left.epochs)
        assert rows_of(record.epochs) == rows_of(policy.epochs[record.number][: len(record.epochs)])


def _propose_below(coordinator: Coordinator, learning_rate: float) -> None:
    """Let the sampler propose no configuration with a larger learning rate."""
    view = coordinator._sampler
    begin_new = view.begin_new

    def begin(number, is_new, fixed):
        small = lambda drawn: drawn["optimizer"]["learning_rate"] < learning_rate  # noqa: E731
        return begin_new(number, lambda drawn: small(drawn) and is_new(drawn), fixed)

    view.begin_new = begin


class _Stops(Listener):
    """Asks to stop after so many pauses and ends; 0: never."""

    def __init__(self, stop: Stop, every: int) -> None:
        self._stop, self._left = stop, every

    def trial_paused(self, record):
        self._left -= 1
        if self._left == 0:
            self._stop.asked = True

    trial_ended = trial_paused
