"""Long-lived worker processes on this machine, forked from one that has imported TensorFlow."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from hpsearch.data.store import cache_folder
from hpsearch.errors import EnvironmentProblem
from hpsearch.executors.protocol import EpochDone, Event, Job, Place, TrialEnded, TrialLost
from hpsearch.executors.watch import Watch
from hpsearch.executors.worker import serve
from hpsearch.training.quiet import WORKER_LOG
from hpsearch.training.xla_cache import use_xla_cache

# A worker forked from the process that imported TensorFlow (650 MB, once) adds 230 MB of its own with the MLP and
# the real data; the rest is room for larger models.
WORKER_MEGABYTES = 900
# This many workers in a row that die before their first word: the machine is at fault, not a trial.
MAX_STILLBORN = 4
# Forking a worker takes a tenth of this, where TensorFlow has been imported.
LAUNCH_SECONDS = 0.5
# Imported once, before any worker is forked.
PRELOAD = ["hpsearch.executors.worker"]
PRELOAD_KERAS = ["hpsearch.training.preload", *PRELOAD]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """One worker a core, as far as memory carries them: one thread each beats one worker on all cores."""
    fits = int(psutil.virtual_memory().available / 2**20 / WORKER_MEGABYTES)
    return max(1, min(cores(), fits))


def threads_of(workers: int) -> int:
    """TensorFlow's threads in each of so many workers."""
    return max(1, cores() // workers)


def _start_forkserver() -> None:
    """Start the process that workers are forked from, out of reach of signals from its first moment.

    A terminal or a service manager signals every process of the group; what is blocked here stays blocked
    there, and in the workers. The coordinator decides what becomes of them (it uses SIGKILL).
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _Worker:
    """A worker process, from the moment when it was asked for.

    Attributes:
        launch: waits for the process that workers are forked from, which may still import TensorFlow; what is
            sent to the worker meanwhile waits in the connection.
        up: whether the process has started.
        refused: why it could not start.
        heard: whether it has said its first word.
        used: whether a trial has ended there.
        watch: of the job.
    """

    process: BaseProcess
    connection: Connection
    launch: threading.Thread
    up: bool = False
    refused: str = ""
    job: Job | None = None
    heard: bool = False
    compiled: frozenset[str] = frozenset()
    used: bool = False
    watch: Watch | None = None

    def begin_watch(self) -> None:
        """A worker is watched from its first word on: TensorFlow's import is not its trial's."""
        job = self.job if self.heard else None
        self.watch = Watch(job.limits, job.seconds, first=not self.used) if job else None

    def kill(self) -> None:
        """At once, and with it whatever a user's code has started there; nothing where it has not come up."""
        if not self.up or self.process.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # it has not made its group yet, or has ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()


class LocalExecutor:
    """Worker processes on this machine; an Executor.

    Args:
        workers: how many at most; a worker starts when there is work for it.
        log: file that takes what the workers print.
        report: told in a line when a worker dies and is replaced.
        folders: where a user's own modules are looked for, before everything else.
        keras: whether hpsearch's own trainer trains; a user's own training need not wait for TensorFlow.
        threads: of each worker; None: its share of the cores.
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
        os.environ[WORKER_LOG] = str(log)
        # Without this TensorFlow takes all of a GPU's memory in the first worker.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD_KERAS if keras else PRELOAD)
        self._threads = threads or threads_of(workers)
        use_xla_cache(cache_folder() / "xla", self._threads)
        self._most, self._log, self._report = workers, log, report
        self._folders, self._keras = [str(folder) for folder in folders], keras
        self._stillborn = 0
        self._workers: list[_Worker] = []
        # The import begins now, in a process of its own; workers are forked from it when there is work.
        _start_forkserver()

    def pids(self) -> list[int]:
        """The worker processes that have started, in no order that matters."""
        return [worker.process.pid for worker in self._workers if worker.up and worker.process.pid is not None]

    def places(self) -> list[Place]:
        started = [Place(worker.job is not None, worker.compiled) for worker in self._workers]
        return started + [Place(False, frozenset())] * (self._most - len(started))

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
            worker.connection.send(job)
        except OSError:
            # It died while idle, which is not the trial's fault.
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
        """Trials that are over a limit and workers that are stuck: they are ended."""
        found: list[Event] = []
        for worker in list(self._workers):
            if worker.job is None or worker.watch is None or worker.process.pid is None:
                continue
            if verdict := worker.watch.look(worker.process.pid, worker.job.trial):
                self._replace(worker)
                found.append(verdict)
        return found

    def go_on(self, trial: int) -> None:
        self._answer(trial, True)

    def prune(self, trial: int) -> None:
        self._answer(trial, False)

    def close(self) -> None:
        for worker in self._workers:
            # At once, but for the first seconds of all; who comes up later finds nobody there and ends.
            worker.launch.join(LAUNCH_SECONDS)
            worker.kill()
        for worker in self._workers:
            if worker.up:
                worker.process.join()
            worker.connection.close()
        self._workers = []

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve,
            args=(theirs, self._threads, str(self._log), self._folders),
            kwargs={"keras": self._keras},
            name="hpsearch-worker",
            daemon=True,
        )

        def launch() -> None:
            try:
                # Started once more where it has died.
                _start_forkserver()
                process.start()
                # Else the start of another worker, in a thread of its own, asks whether this one has ended: and of two
                # who ask in the same moment how it did, the second is told 255.
                multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
                worker.up = True
            except (EOFError, OSError) as error:
                worker.refused = str(error) or type(error).__name__
            theirs.close()

        worker = _Worker(process, ours, threading.Thread(target=launch, daemon=True))
        worker.launch.start()
        return worker

    def _answer(self, trial: int, go_on: bool) -> None:
        worker = next((w for w in self._workers if w.job is not None and w.job.trial == trial), None)
        with suppress(OSError):  # it died; `events` tells
            if worker is not None:
                worker.connection.send(go_on)

    def _receive(self, worker: _Worker) -> Event | None:
        try:
            # A worker that died may have sent its last words before.
            event: Event | str | None = worker.connection.recv() if worker.connection.poll() else None
        except (EOFError, OSError):
            return self._died(worker)
        if event is None:
            return None if worker.process.is_alive() else self._died(worker)
        if isinstance(event, str):  # READY
            worker.heard, self._stillborn = True, 0
            worker.begin_watch()
            return None
        if isinstance(event, EpochDone) and worker.watch:
            worker.watch.epoch_done()
        if isinstance(event, TrialEnded):
            worker.job, worker.used = None, True
            if event.worn:
                self._retire(worker)
        return event

    def _retire(self, worker: _Worker) -> None:
        """End an idle worker; another one starts when there is work for it."""
        worker.kill()
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)

    def _died(self, worker: _Worker) -> TrialLost | None:
        """By itself, or somebody ended it."""
        detail = self._replace(worker)
        if worker.job is not None:
            return TrialLost(worker.job.trial, detail)
        self._report(detail)
        return None

    def _replace(self, worker: _Worker) -> str:
        """Another worker takes the place of one that ends; a line about how it ended."""
        worker.launch.join()
        if worker.refused:
            raise EnvironmentProblem(f"workers cannot start ({worker.refused}); their output is in {self._log}")
        worker.kill()
        worker.process.join()
        worker.connection.close()
        code = worker.process.exitcode or 0
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        # The kernel's way when memory runs out.
        reason += ", perhaps out of memory" if code == -signal.SIGKILL else ""
        self._stillborn += not worker.heard
        if self._stillborn >= MAX_STILLBORN:
            raise EnvironmentProblem(
                f"worker processes cannot start: {self._stillborn} in a row ended at once "
                f"({reason}); their output is in {self._log}"
            )
        self._workers[self._workers.index(worker)] = self._start()
        return f"the worker process ended ({reason}); its output is in {self._log}"
