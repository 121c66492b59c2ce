"""Long-lived worker processes on this machine, forked from one that has imported TensorFlow."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from hpsearch.data.store import cache_folder
from hpsearch.errors import EnvironmentProblem
from hpsearch.executors import child
from hpsearch.executors.protocol import Decision, EpochDone, Event, Job, TrialEnded, WorkerFailed, WorkerSlot
from hpsearch.executors.resources import Watch
from hpsearch.executors.worker import serve_jobs
from hpsearch.training.quiet import WORKER_LOG
from hpsearch.training.xla_cache import use_xla_cache

# A worker forked from the process that imported TensorFlow (650 MB, once) adds 230 MB of its own with the MLP and
# the real data; the rest is room for larger models.
WORKER_MEGABYTES = 900
# After this many workers in a row that die before their first message, no further one is started.
MAX_FAILED_STARTS = 4
# How long to wait for the thread that starts a worker, after the worker's connection was closed.
LAUNCH_SECONDS = 5.0
# The names of the threads that start workers.
LAUNCH = "hpsearch-launch"
# Imported once, before any worker is forked.
PRELOAD = ["hpsearch.executors.worker"]
PRELOAD_KERAS = ["hpsearch.training.preload", *PRELOAD]


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Return one worker for each core, or fewer if memory is short.

    Several workers with one thread each are faster than one worker with several.
    """
    fits = int(psutil.virtual_memory().available / 2**20 / WORKER_MEGABYTES)
    return max(1, min(cores(), fits))


def threads_of(workers: int) -> int:
    """Return the number of TensorFlow's threads in each worker."""
    return max(1, cores() // workers)


@dataclass
class _Worker:
    """A worker process, which may not have started yet.

    Attributes:
        launch: the thread that starts it. It waits for the process that workers are forked from, which may still
            import TensorFlow; what is sent to the worker meanwhile waits in the connection.
        up: whether the process has started.
        ended: whether the executor has ended the worker; one that has not started yet is killed as soon as it has.
        refused: why the process could not start, else empty.
        is_ready: whether it has sent its first message.
        used: whether it has finished a job.
        watch: checks the limits of the job.
    """

    process: BaseProcess
    connection: Connection
    launch: threading.Thread
    up: bool = False
    ended: bool = False
    refused: str = ""
    job: Job | None = None
    is_ready: bool = False
    compiled: frozenset[str] = frozenset()
    used: bool = False
    watch: Watch | None = None

    def begin_watch(self) -> None:
        """Begin to check the job's limits. The import of TensorFlow, before the first message, does not count."""
        job = self.job if self.is_ready else None
        self.watch = Watch(job.limits, job.seconds, first=not self.used) if job else None

    def end(self) -> None:
        """Close the connection and kill the process with every process that it has started; do not wait.

        A process that has not started yet is killed by `started`.
        """
        self.ended = True
        self.connection.close()
        if self.up:
            child.kill(self.process)

    def started(self) -> None:
        """Record that the process has started; called by the launching thread."""
        self.up = True
        # `end` and this method set a flag each; the later one sees both and kills the process.
        if self.ended:
            child.kill(self.process)

    def wait_for_end(self, seconds: float = child.END_SECONDS) -> None:
        """Wait until the killed process has ended, but no longer than `seconds`."""
        if self.up:
            child.wait_for_end(self.process, seconds)


class LocalExecutor:
    """Worker processes on this machine; an Executor.

    Args:
        workers: how many at most; a worker starts when there is work for it.
        log: file for the workers' output.
        report: called with a line when an idle worker dies; if a busy one dies, `events` returns a WorkerFailed.
        folders: the folders of the user's own modules.
        keras: whether hpsearch's own trainer trains. Workers for a user's own training start without TensorFlow.
        threads: TensorFlow's threads in each worker; None: its share of the cores.
    """

    def __init__(
        self,
        workers: int,
        log: Path,
        report: Callable[[str], None],
        folders: Sequence[Path] = (),
        *,
        keras: bool = True,
        threads: int | None = None,
    ) -> None:
        log = log.absolute()
        os.environ[WORKER_LOG] = str(log)
        # Without this TensorFlow takes all of a GPU's memory in the first worker.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD_KERAS if keras else PRELOAD)
        self._threads = threads or threads_of(workers)
        use_xla_cache(cache_folder() / "xla", self._threads)
        self._most, self._log, self._report = workers, log, report
        # Every path sent to a worker is absolute, since the user's code may change the current folder.
        self._folders, self._keras = [str(folder.absolute()) for folder in folders], keras
        self._failed_starts = 0
        self._workers: list[_Worker] = []
        # With Keras, the fork server imports TensorFlow; workers are forked from it later.
        child.start_fork_server()

    def pids(self) -> list[int]:
        """Return the process numbers of the workers that have started, in any order."""
        return [worker.process.pid for worker in self._workers if worker.up and worker.process.pid is not None]

    def slots(self) -> list[WorkerSlot]:
        started = [WorkerSlot(worker.job is not None, worker.compiled) for worker in self._workers]
        return started + [WorkerSlot(False, frozenset())] * (self._most - len(started))

    def submit(self, job: Job) -> None:
        idle = [worker for worker in self._workers if worker.job is None]
        worker = max(idle, key=lambda worker: len(job.needs & worker.compiled), default=None)
        if worker is None or (len(self._workers) < self._most and not job.needs & worker.compiled):
            worker = self._start()
            self._workers.append(worker)
        worker.job = job
        worker.compiled |= job.needs
        worker.begin_watch()
        try:
            worker.connection.send(job.absolute())
        except OSError:
            # It died while idle: another worker takes the job, and the trial has not failed.
            self._report(self._replace(worker))
            self.submit(job)

    def events(self, timeout: float) -> list[Event]:
        found: list[Event] = []
        by_handle: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        by_handle |= {worker.process.sentinel: worker for worker in self._workers if worker.up}
        ready = {id(by_handle[handle]): by_handle[handle] for handle in wait(list(by_handle), timeout)}
        for worker in ready.values():
            event = self._receive(worker)
            if event is not None:
                found.append(event)
        found += self._overdue()
        return found

    def _overdue(self) -> list[Event]:
        """End trials that are over a limit and workers that are stuck."""
        found: list[Event] = []
        for worker in list(self._workers):
            if worker.job is None or worker.watch is None or worker.process.pid is None:
                continue
            if verdict := worker.watch.check(worker.process.pid, worker.job.trial):
                self._replace(worker)
                found.append(verdict)
        return found

    def answer(self, trial: int, decision: Decision) -> None:
        worker = next((w for w in self._workers if w.job is not None and w.job.trial == trial), None)
        with suppress(OSError):  # it died; `events` reports it
            if worker is not None:
                worker.connection.send(decision)

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        deadline = time.monotonic() + child.END_SECONDS
        for worker in self._workers:
            worker.wait_for_end(deadline - time.monotonic())
        self._workers = []

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve_jobs,
            args=(theirs, self._threads, str(self._log), self._folders),
            kwargs={"keras": self._keras},
            name="hpsearch-worker",
            daemon=True,
        )

        def launch() -> None:
            try:
                # The fork server is started again if it has died.
                child.start_fork_server()
                child.start(process)
                # Whenever multiprocessing starts a process, it also reads the exit codes of those in this set. Of two
                # threads that read the same exit code at the same time, one gets 255.
                multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
                worker.started()
            except (EOFError, OSError) as error:
                worker.refused = str(error) or type(error).__name__
            theirs.close()

        worker = _Worker(process, ours, threading.Thread(target=launch, name=LAUNCH, daemon=True))
        worker.launch.start()
        return worker

    def _receive(self, worker: _Worker) -> Event | None:
        try:
            # A worker that died may have sent messages before.
            event: Event | str | None = worker.connection.recv() if worker.connection.poll() else None
        except (EOFError, OSError):
            return self._died(worker)
        if event is None:
            return None if worker.process.is_alive() else self._died(worker)
        if isinstance(event, str):  # READY
            worker.is_ready, self._failed_starts = True, 0
            worker.begin_watch()
            return None
        if isinstance(event, EpochDone) and worker.watch:
            worker.watch.epoch_done()
        if isinstance(event, TrialEnded):
            worker.job, worker.used = None, True
            if event.needs_restart:
                self._retire(worker)
        return event

    def _retire(self, worker: _Worker) -> None:
        """End an idle worker; another one starts when there is work for it."""
        worker.end()
        worker.wait_for_end()
        self._workers.remove(worker)

    def _died(self, worker: _Worker) -> WorkerFailed | None:
        """Replace a worker that has ended, by itself or by a signal; return the failure of its job, if it had one."""
        detail = self._replace(worker)
        if worker.job is not None:
            return WorkerFailed(worker.job.trial, detail)
        self._report(detail)
        return None

    def _replace(self, worker: _Worker) -> str:
        """End a worker, if it still runs, and start another in its place; return a line about its end.

        Raises:
            EnvironmentProblem: workers cannot start.
        """
        # Either the worker has started, or its connection was closed and the launch fails now.
        worker.launch.join(LAUNCH_SECONDS)
        if worker.refused:
            raise EnvironmentProblem(f"workers cannot start ({worker.refused}); their output is in {self._log}")
        worker.end()
        worker.wait_for_end()
        code = worker.process.exitcode if worker.up else None
        reason = "exit code unknown" if code is None else f"exit code {code}" if code >= 0 else f"signal {-code}"
        # When memory runs out, the kernel sends this signal.
        reason += ", perhaps out of memory" if code == -signal.SIGKILL else ""
        self._failed_starts += not worker.is_ready
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise EnvironmentProblem(
                f"worker processes cannot start: {self._failed_starts} in a row ended at once "
                f"({reason}); their output is in {self._log}"
            )
        self._workers[self._workers.index(worker)] = self._start()
        return f"the worker process ended ({reason}); its output is in {self._log}"
