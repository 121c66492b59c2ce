"""Scripts that run in a process of their own: what they leave behind, and how they are ended."""

from __future__ import annotations

import psutil
import pytest
from support import wait_for

from hpsearch.export.verification import run_alone

LEAVES = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(left.pid)
"""
SLEEPS = """
import os, time
print(os.getpid())
time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_script_that_leaves_a_process_is_over_when_it_ends_and_so_is_the_process(tmp_path):
    (tmp_path / "script.py").write_text(LEAVES)
    pid = int(run_alone(tmp_path / "script.py", (), print))
    wait_for(lambda: is_gone(pid), 20, "the end of the process")


def test_a_script_ends_when_its_caller_is_interrupted(tmp_path):
    (tmp_path / "script.py").write_text(SLEEPS)
    told = []

    def interrupt(line):
        told.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_alone(tmp_path / "script.py", (), interrupt)
    wait_for(lambda: is_gone(told[0]), 20, "the end of the script")


def test_a_users_file_that_is_named_like_a_module_of_pythons_is_not_imported(tmp_path):
    (tmp_path / "statistics.py").write_text("raise ImportError('a note')\n")
    (tmp_path / "mine.py").write_text("answer = 42\n")
    (tmp_path / "script.py").write_text("import statistics, mine\nprint(statistics.mean([mine.answer]))\n")
    assert run_alone(tmp_path / "script.py", [tmp_path], print) == "42"
