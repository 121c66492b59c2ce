"""The executor's contract, on real worker processes that are really killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from support import sample_config, wait_for, workers_of

from hpsearch.config.file import Limits, Objective
from hpsearch.data.store import obtain
from hpsearch.executors import child, local, resources
from hpsearch.executors.local import LocalExecutor, default_workers
from hpsearch.executors.protocol import Decision, EpochDone, Executor, Job, TrialEnded, WorkerFailed
from hpsearch.training.checkpoint import count_resumable_epochs
from hpsearch.training.results import Outcome

DEADLINE = 120


def job(trial: int, epochs: int = 3, needs: str = "", **sections) -> Job:
    """Of `needs` each letter stands for something that is to be compiled."""
    training = {"max_epochs": epochs, "early_stopping": None, "engine": "graph"}
    config = sample_config(**({"training": training, "seed": trial} | sections))
    return Job(trial, config.plain(), Objective().model_dump(mode="json"), frozenset(needs))


def free(executor: Executor) -> int:
    return sum(not place.busy for place in executor.slots())


def compiled(executor: Executor, *, busy: bool) -> list[str]:
    """What has been compiled in the busy places, or in the free ones."""
    return sorted("".join(sorted(place.compiled)) for place in executor.slots() if place.busy == busy)


def started(executor, workers: int) -> set[int]:
    """The worker processes, once so many have started."""
    wait_for(lambda: len(executor.pids()) >= workers, DEADLINE, f"{workers} workers have started")
    return set(executor.pids())


def drive(executor: Executor, prune_at: dict[int, int] | None = None, until: int = 1):
    """Answer every epoch until so many trials have ended: their epochs and their ends."""
    rows: dict[int, list[int]] = {}
    ends: dict[int, TrialEnded | WorkerFailed] = {}
    deadline = time.monotonic() + DEADLINE
    while len(ends) < until and time.monotonic() < deadline:
        for event in executor.events(1.0):
            if isinstance(event, EpochDone):
                rows.setdefault(event.trial, []).append(event.metrics.epoch)
                stop = (prune_at or {}).get(event.trial) == event.metrics.epoch
                executor.answer(event.trial, Decision.PRUNE if stop else Decision.CONTINUE)
            else:
                ends[event.trial] = event
    return rows, ends


class ExecutorContract(ABC):
    """What every executor does; a subclass says how one is made."""

    @abstractmethod
    def make(self, log) -> Executor: ...

    @pytest.fixture(scope="class")
    def executor(self, request, tmp_path_factory):
        obtain("fashion_mnist_sample")
        executor = self.make(tmp_path_factory.mktemp("executor") / "workers.log")
        yield executor
        executor.close()

    def test_a_job_gives_a_row_for_each_epoch_and_then_its_end(self, executor):
        assert free(executor) == 2
        executor.submit(job(0))
        assert free(executor) == 1
        rows, ends = drive(executor)
        assert rows == {0: [1, 2, 3]}
        assert ends[0].outcome is Outcome.COMPLETED
        assert ends[0].info["weights"] == 784 * 16 + 16 + 16 * 10 + 10
        assert free(executor) == 2

    def test_two_jobs_run_side_by_side_and_each_can_be_pruned_alone(self, executor):
        executor.submit(job(1))
        executor.submit(job(2))
        assert free(executor) == 0
        rows, ends = drive(executor, prune_at={2: 1}, until=2)
        assert rows == {1: [1, 2, 3], 2: [1]}
        assert (ends[1].outcome, ends[2].outcome) == (Outcome.COMPLETED, Outcome.PRUNED)

    def test_a_trial_that_has_trained_to_its_end_is_not_pruned_any_more(self, executor):
        executor.submit(job(10))
        rows, ends = drive(executor, prune_at={10: 3})
        assert rows == {10: [1, 2, 3]}
        assert ends[10].outcome is Outcome.COMPLETED

    def test_a_job_goes_where_most_of_what_it_needs_is_compiled(self, executor):
        executor.submit(job(20, 1, "ab"))
        executor.submit(job(21, 1, "cd"))
        drive(executor, until=2)
        assert compiled(executor, busy=False) == ["ab", "cd"]
        executor.submit(job(22, 1, "c"))
        assert (compiled(executor, busy=True), compiled(executor, busy=False)) == (["cd"], ["ab"])
        # There is no other place left.
        executor.submit(job(23, 1, "cd"))
        assert compiled(executor, busy=True) == ["abcd", "cd"]
        drive(executor, until=2)
        executor.submit(job(24, 1, "ad"))
        assert (compiled(executor, busy=True), compiled(executor, busy=False)) == (["abcd"], ["cd"])
        assert drive(executor)[1][24].outcome is Outcome.COMPLETED

    def test_a_job_that_raises_fails_alone_and_keeps_its_traceback(self, executor):
        broken = Job(3, {"optimizer": {"name": "adm"}}, Objective().model_dump(mode="json"))
        executor.submit(broken)
        _, ends = drive(executor)
        assert ends[3].outcome is Outcome.FAILED
        assert "InvalidConfigError" in ends[3].detail
        assert "Traceback" in ends[3].traceback
        executor.submit(job(4))
        assert drive(executor)[1][4].outcome is Outcome.COMPLETED


class TestLocal(ExecutorContract):
    def make(self, log):
        return LocalExecutor(2, log, print)

    def test_a_killed_worker_loses_its_trial_and_is_replaced(self, executor):
        executor.submit(job(5, 10_000, "x"))
        executor.submit(job(6, 10_000, "y"))
        before = started(executor, 2)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        _, ends = drive(executor, until=2)
        assert {type(end) for end in ends.values()} == {WorkerFailed}
        assert "signal 9" in ends[5].detail
        assert not before & started(executor, 2)
        # What it had compiled is gone with it.
        assert compiled(executor, busy=False) == ["", ""]
        executor.submit(job(7))
        assert drive(executor)[1][7].outcome is Outcome.COMPLETED

    @pytest.mark.e2e
    def test_a_worker_that_is_stopped_from_outside_loses_its_trial(self, executor, monkeypatch):
        monkeypatch.setattr(resources, "STOPPED_SECONDS", 1.0)
        executor.submit(job(11, 10_000))
        wait_for(lambda: isinstance(next(iter(executor.events(1.0)), None), EpochDone), DEADLINE, "an epoch")
        for pid in executor.pids():
            os.kill(pid, signal.SIGSTOP)
        _, ends = drive(executor)
        assert "was stopped from outside" in ends[11].detail
        for pid in executor.pids():
            os.kill(pid, signal.SIGCONT)
        executor.submit(job(12))
        assert drive(executor)[1][12].outcome is Outcome.COMPLETED

    @pytest.mark.e2e
    def test_a_trial_over_a_limit_is_ended_with_its_worker_and_another_takes_the_place(self, executor):
        def limited(trial, **limits):
            return replace(job(trial, 10_000), limits=Limits(**limits))

        executor.submit(limited(13, trial_seconds=3.0))
        executor.submit(job(18))
        before = started(executor, 2)
        rows, ends = drive(executor, until=2)
        assert ends[13].outcome is Outcome.OVER_TIME
        assert len(rows[13]) > 1
        assert len(before & started(executor, 2)) == 1
        # It has trained for an hour in other workers.
        executor.submit(replace(limited(15, trial_seconds=3600.0), seconds=3600.0))
        assert drive(executor)[1][15].outcome is Outcome.OVER_TIME
        executor.submit(job(16))
        assert drive(executor)[1][16].outcome is Outcome.COMPLETED

    def test_memory_is_the_fault_of_a_workers_first_trial_and_not_of_a_later_one(self, tmp_path):
        executor = LocalExecutor(1, tmp_path / "workers.log", print)
        try:
            executor.submit(job(0))
            drive(executor)
            large = replace(job(1, 10_000), limits=Limits(memory=200 * 2**20))
            executor.submit(large)
            lost = drive(executor)[1][1]
            assert isinstance(lost, WorkerFailed)
            assert "earlier trials" in lost.detail
            executor.submit(large)
            ended = drive(executor)[1][1]
            assert ended.outcome is Outcome.OVER_MEMORY
            assert "limits.memory of 200 MB" in ended.detail
        finally:
            executor.close()

    def test_a_lost_trial_goes_on_from_its_checkpoint(self, executor, tmp_path):
        limits, file = Limits(checkpoint_seconds=0.0), tmp_path / "17.npz"
        begun = replace(job(17, 10_000), limits=limits, checkpoint=str(file))
        executor.submit(begun)
        rows = []
        deadline = time.monotonic() + DEADLINE
        while not file.exists() and time.monotonic() < deadline:
            for event in executor.events(1.0):
                rows.append(event.metrics)
                executor.answer(17, Decision.CONTINUE)
        for pid in executor.pids():
            os.kill(pid, signal.SIGKILL)
        _, ends = drive(executor)
        assert isinstance(ends[17], WorkerFailed)
        kept = count_resumable_epochs(file, begun.config, rows)
        assert kept > 0
        executor.submit(replace(begun, finished_epochs=kept))
        again, _ = drive(executor, prune_at={17: kept + 2})
        assert again == {17: [kept + 1, kept + 2]}

    def test_a_worker_starts_for_what_no_free_one_has_compiled_and_for_nothing_else(self, tmp_path):
        executor = LocalExecutor(2, tmp_path / "workers.log", print)
        try:
            assert [place.busy for place in executor.slots()] == [False, False]
            for number, (needs, workers) in enumerate([("a", 1), ("a", 1), ("b", 2), ("c", 2)]):
                executor.submit(job(number, 1, needs))
                drive(executor)
                assert len(started(executor, workers)) == workers
            assert len(executor.slots()) == 2
        finally:
            executor.close()

    def test_closing_leaves_no_worker_even_in_the_middle_of_an_epoch(self, tmp_path):
        executor = LocalExecutor(2, tmp_path / "workers.log", print)
        executor.submit(job(8, epochs=10_000))
        executor.submit(job(9, epochs=10_000))
        pids = started(executor, 2)
        assert all(psutil.pid_exists(pid) for pid in pids)
        executor.close()
        assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


GROWS = """
HELD = []

def train(config, seed):
    HELD.append(b"x" * 40_000_000)
    yield {"val_accuracy": 0.5}
"""


def test_a_worker_that_has_grown_is_replaced_between_two_trials(tmp_path):
    (tmp_path / "grows.py").write_text(GROWS)
    executor, seen = LocalExecutor(1, tmp_path / "workers.log", print, [tmp_path], keras=False), set()
    try:
        for number in range(16):
            config = {"trainable": "grows:train", "seed": 1}
            executor.submit(Job(number, config, Objective().model_dump(mode="json")))
            _, ends = drive(executor)
            assert ends[number].outcome is Outcome.COMPLETED
            seen |= set(executor.pids())
    finally:
        executor.close()
    assert len(seen) == 2


STARTS_PROCESSES = """
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

def train(config, seed):
    context = multiprocessing.get_context(config["method"])
    with context.Pool(2) as pool:
        first = sum(pool.map(abs, [-1, 2]))
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        second = sum(pool.map(abs, [-1, 2]))
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    sleeper.terminate()
    yield {"val_accuracy": (first + second) / 6, "ended": sleeper.wait(60)}

def leaves_some(config, seed):
    pool = multiprocessing.Pool(2)
    yield {"val_accuracy": 0.5, "pid": pool.apply(os.getpid)}
    os._exit(1)
"""


def own_job(trial: int, trainable: str, **config) -> Job:
    return Job(trial, {"trainable": trainable, "seed": 1, **config}, Objective().model_dump(mode="json"))


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def own_executor(tmp_path):
    """One worker that finds its modules in `tmp_path`, without TensorFlow."""
    executor = LocalExecutor(1, tmp_path / "workers.log", print, [tmp_path], keras=False)
    yield executor
    executor.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_users_code_may_start_processes_and_end_them(own_executor, tmp_path, method):
    (tmp_path / "starts.py").write_text(STARTS_PROCESSES)
    own_executor.submit(own_job(0, "starts:train", method=method))
    row = first_row(own_executor, 0)
    assert row.metrics["val_accuracy"] == 1.0
    assert row.metrics["ended"] == -signal.SIGTERM


def test_what_a_users_code_has_started_ends_with_its_worker(own_executor, tmp_path):
    (tmp_path / "leaves.py").write_text(STARTS_PROCESSES)
    for number, ending in enumerate(["it dies", "it is killed"]):
        own_executor.submit(own_job(number, "leaves:leaves_some"))
        pid = int(first_row(own_executor, number).metrics["pid"])
        assert alive(pid)
        if ending == "it dies":
            own_executor.answer(number, Decision.CONTINUE)
            assert isinstance(drive(own_executor)[1][number], WorkerFailed)
        else:
            own_executor.close()
        wait_for(lambda pid=pid: not alive(pid), 20, f"the end of the pool where {ending}")


def first_row(executor: Executor, trial: int):
    """The first epoch of a trial, which is not answered."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        for event in executor.events(1.0):
            assert isinstance(event, EpochDone), event
            return event.metrics
    raise AssertionError("no epoch")


ASTRAY = """
import argparse
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=2)
options = parser.parse_args()
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "elsewhere"))
program = sys.argv[0]

def network(image_shape, classes):
    import keras

    assert program.endswith("astray.py") and not parser.parse_args().epochs > 2
    print("printed by a user's code")
    return keras.Sequential([keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(classes)])
"""


def test_a_users_code_that_changes_the_folder_leads_no_path_astray(tmp_path, monkeypatch):
    for name in ("elsewhere", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "here" / "astray.py").write_text(ASTRAY)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("sys.argv", ["hpsearch", "run", "study.yaml"])
    executor = LocalExecutor(1, Path("workers.log"), print, [Path()])
    try:
        begun = job(0, 3, model={"architecture": "custom", "builder": "astray:network"})
        limits = Limits(checkpoint_seconds=0.0)
        executor.submit(replace(begun, limits=limits, checkpoint="kept/0.npz", model="kept/0.keras"))
        assert first_row(executor, 0).epoch == 1
        executor.answer(0, Decision.CONTINUE)
        assert first_row(executor, 0).epoch == 2
        assert Path("kept/0.npz").is_file()
        executor.answer(0, Decision.CONTINUE)
        _, ends = drive(executor)
        assert ends[0].outcome is Outcome.COMPLETED, ends[0].detail
    finally:
        executor.close()
    assert Path("kept/0.keras").is_file()
    assert "printed by a user's code" in Path("workers.log").read_text()
    assert not list((tmp_path / "elsewhere").iterdir())


def workers_now() -> set[int]:
    """The processes that were forked for this test's executors and still run."""
    return {process.pid for process in workers_of(os.getpid()) if alive(process.pid)}


@pytest.mark.parametrize(
    "step", ["before its process is started", "before it is known to be up", "before its first word"]
)
def test_closing_while_a_worker_is_launched_returns_and_leaves_none(tmp_path, monkeypatch, step):
    reached, continues = threading.Event(), threading.Event()
    executor = LocalExecutor(1, tmp_path / "workers.log", print, [tmp_path], keras=False)

    def held(call):
        def wait_and_call(*arguments):
            reached.set()
            assert continues.wait(DEADLINE)
            return call(*arguments)

        return wait_and_call

    if step == "before its process is started":
        monkeypatch.setattr(child, "start_fork_server", held(child.start_fork_server))
    if step == "before it is known to be up":
        monkeypatch.setattr(local._Worker, "started", held(local._Worker.started))
    (tmp_path / "starts.py").write_text(STARTS_PROCESSES)
    before = workers_now()
    executor.submit(own_job(0, "starts:train", method="fork"))
    if step == "before its first word":
        # It was stopped, so that it can say nothing.
        (pid,) = started(executor, 1)
        os.kill(pid, signal.SIGSTOP)
        reached.set()
    assert reached.wait(DEADLINE)
    executor.close()
    if step == "before it is known to be up":
        # Nobody kills it: it finds out by itself.
        wait_for(lambda: not workers_now() - before, 20, "the end of the worker")
    continues.set()
    wait_for(lambda: not any(thread.name == local.LAUNCH for thread in threading.enumerate()), 60, "the launch")
    wait_for(lambda: not workers_now() - before, 20, "the end of the worker")


def test_there_is_at_least_one_worker_and_never_more_than_cores():
    assert 1 <= default_workers() <= (os.cpu_count() or 1)
