"""What XLA compiled, on disk: found by any process, whatever it compiled before; and kept within bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpsearch.data.store import obtain
from hpsearch.training import xla_cache
from hpsearch.training.quiet import WORKER_LOG
from hpsearch.training.xla_cache import FLAG, use_xla_cache

# Trains each of the configurations and says after each one what is in the cache, and the rows.
PROGRAM = """
import importlib, json, sys
from pathlib import Path
from hpsearch.training.xla_cache import use_xla_cache

root, module, *configs = sys.argv[1:]
use_xla_cache(Path(root), 2)
importlib.import_module(module)
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.training.examples import TrainingData
from hpsearch.training.executable import Executables
from hpsearch.training.results import CLOCKS
from hpsearch.training.trainer import Trainer

executables, said = Executables(), []
for text in configs:
    config = TrialConfig.model_validate(json.loads(text))
    trainer = Trainer(config, Objective(), TrainingData.load(config.data), executables)
    rows = [{k: v for k, v in row.metrics.items() if k not in CLOCKS} for row in trainer.epochs()]
    entries = {path.name: path.stat().st_mtime_ns for path in Path(root).rglob("*") if path.is_file()}
    said.append({"rows": rows, "entries": entries})

hidden = [name for name, module in sys.modules.items() if module is None]
if module.endswith("preload"):
    import pandas, scipy, sklearn.utils.class_weight
    assert pandas.DataFrame({"a": [1, 2]}).sum()["a"] == 3
print(json.dumps({"said": said, "hidden": hidden}))
"""


def config(units):
    return json.dumps(
        {
            "data": {"dataset": "fashion_mnist_sample"},
            "model": {"architecture": "mlp", "units": [units]},
            "optimizer": "sgd",
            "batch_size": 100,
            "training": {"max_epochs": 2, "engine": "xla", "early_stopping": None},
            "seed": 3,
        }
    )


def process(root: Path, module: str, *configs: str):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), module, *configs],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in ("TF_XLA_FLAGS", WORKER_LOG)},
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.e2e
def test_another_process_finds_what_one_has_compiled_and_a_worker_hides_no_module(tmp_path):
    obtain("fashion_mnist_sample")
    # As `hpsearch train` imports it; and as a worker does, which has compiled other things before.
    (first,) = process(tmp_path, "hpsearch.training.trainer", config(8))["said"]
    assert len(first["entries"]) == 1
    worker = process(tmp_path, "hpsearch.training.preload", config(9), config(8))
    other, same = worker["said"]
    assert len(other["entries"]) == 2
    assert first["entries"].items() <= other["entries"].items()
    assert same["entries"] == other["entries"]
    assert same["rows"] == first["rows"]
    # What is hidden is hidden from Keras alone; the program has imported it afterwards.
    assert worker["hidden"] == []


def test_a_folder_of_the_machine_is_made_and_named_to_tensorflow(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    use_xla_cache(tmp_path / "xla", 1)
    (folder,) = (tmp_path / "xla").iterdir()
    assert os.environ["TF_XLA_FLAGS"] == f"{FLAG}={folder}"
    # With other threads XLA compiles other code.
    monkeypatch.delenv("TF_XLA_FLAGS")
    use_xla_cache(tmp_path / "xla", 2)
    assert len(list((tmp_path / "xla").iterdir())) == 2


def test_a_persons_own_flags_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_min_cluster_size=9")
    use_xla_cache(tmp_path / "xla", 1)
    (folder,) = (tmp_path / "xla").iterdir()
    assert os.environ["TF_XLA_FLAGS"] == f"--tf_xla_min_cluster_size=9 {FLAG}={folder}"
    own = f"{FLAG}={tmp_path / 'own'} --tf_xla_min_cluster_size=9"
    monkeypatch.setenv("TF_XLA_FLAGS", own)
    use_xla_cache(tmp_path / "other", 1)
    assert os.environ["TF_XLA_FLAGS"] == own
    assert not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_made_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    (tmp_path / "file").touch()
    use_xla_cache(tmp_path / "file" / "xla", 1)
    assert "TF_XLA_FLAGS" not in os.environ


@pytest.mark.parametrize(("most", "kept"), [(1000, "abcd"), (400, "abcd"), (399, "bcd"), (250, "cd"), (99, "")])
def test_the_oldest_entries_go_when_there_are_too_many(tmp_path, monkeypatch, most, kept):
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    use_xla_cache(tmp_path, 1)
    (folder,) = tmp_path.iterdir()
    for age, name in enumerate("dcba"):
        (folder / name).write_bytes(b"x" * 100)
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    monkeypatch.delenv("TF_XLA_FLAGS")
    monkeypatch.setattr(xla_cache, "MOST_BYTES", most)
    use_xla_cache(tmp_path, 1)
    assert "".join(sorted(path.name for path in folder.iterdir())) == kept
    assert str(folder) in os.environ["TF_XLA_FLAGS"]
