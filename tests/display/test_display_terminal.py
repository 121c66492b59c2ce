"""The terminal view, drawn for real: into a terminal of a given width, and into plain lines."""

from __future__ import annotations

import fcntl
import io
import math
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from rich.console import Console
from support import environment, hpsearch_command

from hpsearch.config.study import load_study
from hpsearch.config.trial import TrainableConfig, TrialConfig
from hpsearch.display.live_view import LiveView, sparkline
from hpsearch.display.terminal import PlainLines, make_terminal
from hpsearch.search.listeners import StudyEnded, StudyStarted
from hpsearch.search.recording import STATES
from hpsearch.search.records import TrialRecord
from hpsearch.search.stop import STOPPING, Stop
from hpsearch.training.results import Best, EpochMetrics, Outcome


def begun(number, config, *, baseline=False):
    """The record of a trial that has just begun."""
    return TrialRecord(number, "RUNNING", None, config, (), None, baseline=baseline)


def row(epoch: int, accuracy: float) -> EpochMetrics:
    return EpochMetrics(epoch, {"loss": 1.0, "val_loss": 1.0, "accuracy": accuracy, "val_accuracy": accuracy})


def record(number: int, outcome: Outcome, *accuracies: float) -> TrialRecord:
    best = max(accuracies) if accuracies else None
    return TrialRecord(
        number=number,
        state=STATES[outcome].name,
        outcome=outcome,
        config=TrialConfig(),
        epochs=tuple(row(epoch + 1, value) for epoch, value in enumerate(accuracies)),
        best=Best(accuracies.index(best) + 1, best) if best is not None else None,
        seconds=12.0,
        detail="the worker died" if outcome is Outcome.FAILED else "",
    )


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "view.yaml"
    file.write_text("trial: {data: {dataset: fashion_mnist_sample}}\n")
    return load_study(file)


def play(view, spec) -> None:
    view.study_started(StudyStarted(spec, "", [], 10, 2))
    for number in range(4):
        view.trial_started(begun(number, TrialConfig(batch_size=64), baseline=number == 0))
        view.epoch_done(number, row(1, 0.5 + number / 10))
    view.trial_ended(record(0, Outcome.COMPLETED, 0.81, 0.85, 0.83))
    view.trial_ended(record(1, Outcome.PRUNED, 0.6))
    view.trial_ended(record(2, Outcome.FAILED))
    view.idle()


def text_of(view_class, spec, *, terminal: bool) -> str:
    out = io.StringIO()
    view = view_class(Console(file=out, force_terminal=terminal, width=140, color_system=None))
    play(view, spec)
    if terminal:
        view.study_ended(StudyEnded([], None, False, 1.0, 4))
        view.close()
    return out.getvalue()


def test_the_live_view_shows_counts_the_best_the_time_and_what_runs(spec):
    last = text_of(LiveView, spec, terminal=True)
    # One failed, which does not count toward the total.
    for expected in ("2 of 10 trials", "1 complete", "1 running", "1 pruned", "1 failed", "left"):
        assert expected in last
    assert "val_accuracy 0.8500 at epoch 2 of trial 0" in last
    assert "trial 2 failed: the worker died" in last
    assert "0.8000" in last.splitlines()[-2] + last.splitlines()[-1]


def test_plain_lines_say_each_thing_once_and_hold_no_control_codes(spec):
    lines = text_of(PlainLines, spec, terminal=False).splitlines()
    assert lines[0] == "study 'view': 10 trials, 2 at once"
    assert sum("trial 0 completed: val_accuracy 0.8500 at epoch 2, 3 epochs, 12.0 s" in line for line in lines) == 1
    assert "trial 1 pruned" in "\n".join(lines)
    assert "the worker died" in "\n".join(lines)
    assert not any("\x1b" in line for line in lines)
    assert len(lines) == 1 + 4 + 3


def test_plain_lines_show_what_varies_and_never_repeat_themselves(tmp_path):
    file = tmp_path / "view.yaml"
    file.write_text(
        "trial: {data: {dataset: fashion_mnist_sample}, optimizer: {name: adam, learning_rate: {float: [0.001, 0.1]}},"
        " schedule: constant, batch_size: 32, model: {architecture: mlp, units: {choice: [[8], [16]]}}}\n"
    )
    out = io.StringIO()
    view = PlainLines(Console(file=out, width=200))
    view.study_started(StudyStarted(load_study(file), "", [], 3, 1))
    for number, (rate, units) in enumerate([(0.0123412, [8]), (0.0123413, [8]), (0.0123412, [16])]):
        sections = {
            "optimizer": {"name": "adam", "learning_rate": rate},
            "model": {"architecture": "mlp", "units": units},
        }
        view.trial_started(begun(number, TrialConfig.model_validate(sections)))
    assert out.getvalue().splitlines()[1:] == [
        "trial 0 started: learning_rate=0.01234 beta_1=0.9 beta_2=0.999 units=[8]",
        "trial 1 started: learning_rate=0.0123413 beta_1=0.9 beta_2=0.999 units=[8]",
        "trial 2 started: learning_rate=0.01234 beta_1=0.9 beta_2=0.999 units=[16]",
    ]


class Screen:
    """A terminal's screen, which draws what it is fed."""

    def __init__(self, columns: int, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.console = Console(file=self, force_terminal=True, width=columns, height=rows, color_system="truecolor")

    def write(self, text: str) -> int:
        self.stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    def flush(self) -> None:
        pass

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]


@pytest.mark.parametrize("columns", [140, 80, 50])
def test_the_live_table_keeps_trial_epoch_and_best_and_cuts_the_configuration(spec, columns):
    screen = Screen(columns)
    view = LiveView(screen.console)
    play(view, spec)
    view.close()
    head, running = screen.lines[-2:]
    assert head.split()[:2] == ["trial", "epoch"]
    assert running.split()[:2] == ["3", "1/20"]
    assert running.split()[2] == "0.8000"
    assert {"best", "configuration"} <= set(head.split())
    assert "adam" in running
    assert ("batch_size=64" in running) == (columns == 140)
    assert running.endswith("…") == (columns < 140)
    assert [line for line in screen.lines if "val_accuracy 0.8500 at epoch 2 of trial 0" in line]


def test_the_bar_moves_with_epochs(spec):
    def filled() -> int:
        cells = screen.screen.buffer[0]
        return sum(cells[x].data in "━╸" and cells[x].fg == "f92672" for x in range(80))

    screen = Screen(80)
    view = LiveView(screen.console)
    view.study_started(StudyStarted(spec, "", [], 2, 1))
    view.trial_started(begun(0, TrialConfig()))
    seen = []
    for epoch in range(1, 21):
        view.epoch_done(0, row(epoch, 0.5))
        seen.append(filled())
    assert "0 of 2 trials" in screen.lines[0]
    # One of two trials: half of the 30 cells, and each epoch has its share.
    assert seen == [round(0.75 * epoch + 0.01) for epoch in range(1, 21)]
    view.trial_interrupted(0)
    view.idle()
    view.close()
    assert filled() == 15


def test_the_bar_moves_with_the_epochs_of_a_users_own_training(tmp_path):
    (tmp_path / "mine.py").write_text("def train(config, seed): ...\n")
    file = tmp_path / "own.yaml"
    file.write_text("trainable: mine:train\nobjective: {metric: val_accuracy}\ntrial: {x: {float: [0, 1]}}\n")
    screen = Screen(80)
    view = LiveView(screen.console)
    view.study_started(StudyStarted(load_study(file), "", [], 2, 1))
    view.trial_started(begun(0, TrainableConfig("mine:train", {"x": 0.5})))
    bars = []
    for epoch in range(1, 60, 10):
        view.epoch_done(0, row(epoch, 0.5))
        bars.append([screen.screen.buffer[0][x].fg for x in range(80)].count("f92672"))
    view.close()
    assert bars == sorted(bars)
    assert bars[0] < bars[-1] <= 15


def test_one_header_is_left_whatever_is_printed_between(spec):
    stop, screen = Stop(), Screen(80)
    view = LiveView(screen.console, stop)
    play(view, spec)
    assert stop.shown_by_view
    # The terminal echoes what is typed where the cursor is.
    screen.stream.feed("^C")
    stop.asked = True
    view.idle()
    view.trial_interrupted(3)
    view.study_ended(StudyEnded([], None, True, 1.0, 4))
    # The run may wait for MLflow before it closes the view: who asks to stop then is told at once, by the handler.
    assert not stop.shown_by_view
    view.close()
    text = "\n".join(screen.lines)
    assert text.count("2 of 10 trials") == text.count("1 complete") == text.count(STOPPING) == 1
    assert "^C" not in text
    assert "left" not in text


def test_more_running_trials_than_rows_leave_one_header(spec):
    screen = Screen(80, 8)
    view = LiveView(screen.console)
    view.study_started(StudyStarted(spec, "", [], 10, 8))
    for number in range(8):
        view.trial_started(begun(number, TrialConfig()))
    # The empty row is the cursor's.
    assert screen.lines[-1] == "and 5 more running"
    assert len(screen.lines) == 7
    screen.stream.feed("^C")
    view.note("a note")
    view.idle()
    for number in range(8):
        view.trial_interrupted(number)
    view.study_ended(StudyEnded([], None, True, 1.0, 4))
    view.close()
    assert [line.split()[0] for line in screen.lines] == ["view", "0"]


def test_a_terminal_that_is_made_narrower_and_wraps_its_rows_keeps_one_header(spec):
    screen = Screen(100)
    view = LiveView(screen.console)
    play(view, spec)
    # What a terminal does that wraps what stands on its screen.
    rows = screen.screen.display[: screen.screen.cursor.y]
    screen.screen.reset()
    screen.screen.resize(24, 60)
    screen.stream.feed("".join(f"{line.rstrip()}\r\n" for line in rows))
    screen.console.width = 60
    view.idle()
    view.epoch_done(3, row(2, 0.9))
    view.close()
    text = "\n".join(screen.lines)
    assert text.count("2 of 10 trials") == text.count("1 complete") == text.count("configuration") == 1
    assert "trial 2 failed: the worker died" in text


ENDLESS = """
import time

def train(config, seed):
    for epoch in range(2 if seed < 2 else 10_000):
        time.sleep(0.05)
        yield {"score": config["x"]}
"""


def in_a_terminal(arguments: list[str], home: Path, columns: int, act: Callable[[str, int], bool], **more: str) -> str:
    """What stands on a real pseudo terminal after a command has ended.

    Args:
        act: called with what stands there and the terminal, again and again until it returns True.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    ours = {**environment(home, TERM="xterm-256color", **more)}

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    command = hpsearch_command(*arguments)
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=ours, preexec_fn=own_terminal)  # noqa: PLW1509
    os.close(slave)
    screen = pyte.Screen(columns, 40)
    stream, acted, deadline = pyte.ByteStream(screen), False, time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.05)[0]:
            try:
                stream.feed(os.read(master, 65536))
            except OSError:
                break
        acted = acted or act("\n".join(screen.display), master)
    if process.poll() is None and time.monotonic() >= deadline:
        process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    os.close(master)
    return "\n".join(line.rstrip() for line in screen.display).strip()


@pytest.mark.e2e
def test_ctrl_c_in_a_real_terminal_of_80_columns(tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    file = tmp_path / "endless.yaml"
    file.write_text(
        "trainable: endless:train\nobjective: {metric: score, direction: maximize}\n"
        "trial: {x: {float: [0, 1]}, a_name_that_is_long: {choice: [of a text that is long, of another one]}}\n"
        "search: {sampler: random, pruner: none, trials: 5}\n"
    )
    seen: list[str] = []

    def press(text: str, terminal: int) -> bool:
        seen[:] = [line for line in text.splitlines() if re.match(r"[23] +[1-9]", line)]
        if len(seen) < 2:
            return False
        os.write(terminal, b"\x03")
        return True

    last = in_a_terminal(["run", str(file), "--workers", "2"], tmp_path / "home", 80, press)
    for line in seen:
        # Trial, epoch, value, best and curve are whole; the configuration is cut.
        assert re.fullmatch(r"[23] +\d+ +0\.\d{4} +0\.\d{4} +[▁-█]+ +x=.*…", line.rstrip()), line
    assert last.count("2 of 5 trials") == 2, last  # the picture, and the sentence at the end
    assert last.count("0 running") == last.count("stopping: running trials") == 1
    assert "was interrupted" in last


@pytest.mark.parametrize(("variable", "value"), [("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TERM", "dumb")])
def test_without_a_terminal_that_can_move_its_cursor_there_are_plain_lines(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert isinstance(make_terminal(), PlainLines)


def test_a_sparkline_spans_lowest_to_highest_and_passes_over_nan():
    assert sparkline([0.1, 0.5, 0.9]) == "▁▅█"
    assert sparkline([0.5, math.nan, 0.5]) == "▁▁"
    assert sparkline([]) == ""
