"""`python -m tests.benchmarks`: run the contenders one after the other, repeat by repeat, and print the table."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .configurations import EPOCHS, LISTS
from .contenders import CONTENDERS, ROOT, Contender
from .data import prepare
from .machine import info
from .measure import adopt_orphans, measure
from .report import report
from .results import BenchmarkError, Folder, Run, check
from .task import SAMPLE_IMAGES, TRAIN_EXAMPLES, Settings, Task

# A user's own home is left alone; without bytecode every import would take three times as long.
_NOT_PASSED_ON = {"HPSEARCH_HOME", "PYTHONDONTWRITEBYTECODE"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--list", action="append", choices=LISTS, dest="lists", help="which list (default: twelve)")
    parser.add_argument(
        "--who", action="append", choices=CONTENDERS, help="a contender (default: all but hpsearch_cold)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="how often each runs (default: 3)")
    parser.add_argument("--out", type=Path, help="folder of the results; an existing one is continued")
    parser.add_argument("--table", action="store_true", help="only print what --out holds")
    small = parser.add_argument_group("to make it small, for trying it out")
    small.add_argument("--epochs", type=int, default=EPOCHS, help="of each configuration")
    small.add_argument(
        "--train-examples",
        type=int,
        default=TRAIN_EXAMPLES,
        help=f"the rest validates; fewer than {SAMPLE_IMAGES:,} come from the packaged sample",
    )
    small.add_argument("--configurations", type=int, help="the first ones of each list")
    options = parser.parse_args()
    if options.table and not options.out:
        parser.error("--table needs --out")
    return options


def in_turn(names: Sequence[str], repeat: int) -> list[str]:
    """The order of a repeat: each begins with another one, so that none always runs on a cool machine."""
    first = (repeat - 1) % len(names)
    return [*names[first:], *names[:first]]


def _missing(folder: Folder, options: argparse.Namespace) -> Iterator[tuple[int, str, Contender]]:
    names = options.who or [row.name for row in CONTENDERS.values() if row.usual]
    for repeat in range(1, options.repeats + 1):
        for list_name in options.lists or ["twelve"]:
            for who in in_turn(names, repeat):
                if not folder.has(list_name, who, repeat):
                    yield repeat, list_name, CONTENDERS[who]


def _run(contender: Contender, list_name: str, repeat: int, settings: Settings, folder: Folder) -> Run:
    """One run in a home of its own.

    Raises:
        BenchmarkError: it failed, or did other work than was asked for.
    """
    # Short, since Ray puts sockets in it; and away from --out, which may lie on a slower disk.
    home = Path(tempfile.mkdtemp(prefix="hpbench-"))
    log = folder.log(list_name, contender.name, repeat)
    try:
        task = Task(settings, list_name, 1000 * repeat, folder.data.absolute(), home)
        command = contender.command(task)
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        environment |= {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", **contender.environment(task)}
        load = os.getloadavg()[0]
        measured = measure(command, environment, home, log)
        if measured.code:
            raise BenchmarkError(f"ended with code {measured.code}")
        trained = check(contender.read(task), settings, list_name)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    seconds, memory = measured.seconds, measured.peak_pss_mb
    return Run(list_name, contender.name, repeat, seconds, memory, trained, load, info())


def _run_missing(folder: Folder, settings: Settings, options: argparse.Namespace) -> int:
    """Runs that failed; each is told and would be tried again by the same command."""
    failed = 0
    for repeat, list_name, contender in _missing(folder, options):
        what = f"{time.strftime('%H:%M:%S')} repeat {repeat} {list_name} {contender.name}"
        try:
            run = _run(contender, list_name, repeat, settings, folder)
        except BenchmarkError as error:
            failed += 1
            _say(f"{what}: FAILED, {error}; see {folder.log(list_name, contender.name, repeat)}")
            continue
        folder.save(run)
        speed = f"{run.seconds:.1f} s, {run.epochs_per_second:.2f} epochs/s, {run.peak_pss_mb:.0f} MB"
        _say(f"{what}: {speed}, accuracy {run.accuracy:.4f}")
    return failed


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    options = _options()
    out = options.out or Path(tempfile.gettempdir()) / time.strftime("hpsearch-benchmark-%Y%m%d-%H%M%S")
    folder, failed = Folder(out), 0
    if not options.table:
        settings = Settings(options.epochs, options.train_examples, options.configurations)
        try:
            folder.open(settings)
        except BenchmarkError as error:
            _say(f"error: {error}")
            return 2
        _say(f"results: {out}")
        prepare(settings, folder.data)
        adopt_orphans()
        failed = _run_missing(folder, settings, options)
    runs = list(folder.runs())
    if not runs:
        _say(f"{out} holds no runs")
        return 1
    print(report(runs, markdown=False))
    (out / "report.md").write_text(report(runs, markdown=True) + "\n", encoding="utf-8")
    _say(f"the same as Markdown: {out / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    # A benchmark that is told to end takes its contender with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("interrupted; the same command with the same --out goes on")
        sys.exit(130)
