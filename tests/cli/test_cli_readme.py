"""The README cannot drift: its commands are run, its tables name what exists."""

from __future__ import annotations

import re
import shutil

import pytest
from support import QUICKSTART, ROOT, SMALL, hpsearch

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith("hpsearch ")
]
QUICK = "hpsearch run studies/activations.yaml --quick"
# Run elsewhere: `ui` serves for ever (the browser test opens it), `data fetch` downloads (the data tests do), and the
# short version of a comparison is run once, for what compares it.
ELSEWHERE = {"hpsearch ui quickstart", "hpsearch data fetch", QUICK}


def test_the_readme_shows_every_command():
    listed = hpsearch("--help", home=ROOT / "unused").stdout.partition("Commands:")[2]
    names = re.findall(r"^  (\w+)", listed, flags=re.MULTILINE)
    assert len(names) == 19
    assert not [name for name in names if f"hpsearch {name}" not in README]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The home folder after the README's short comparison, on the packaged sample."""
    home = tmp_path_factory.mktemp("quick")
    assert QUICK in COMMANDS
    done = hpsearch(*QUICK.split()[1:], *SMALL, "--trials", "2", home=home, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ELSEWHERE])
def test_every_command_of_the_readme_runs(command, finished, request, tmp_path):
    words = command.split()[1:]
    shutil.copytree(QUICKSTART.parent, tmp_path / "studies")
    home = finished.home
    if words[0] == "run":
        words += [*SMALL, "--trials", "6"]
        if "short" in words:
            words, home = [*words[:-1], "1"], tmp_path / "home"
    if words[0] == "compare":
        home = request.getfixturevalue("quick")
    if words[0] == "bench":
        words += SMALL
    if words[0] == "train":
        hpsearch("export", "quickstart", "-o", "best.yaml", home=home, cwd=tmp_path)
    done = hpsearch(*words, home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_error_that_the_readme_shows_is_the_real_one(tmp_path):
    shown = next(line for line in README.splitlines() if line.startswith("error: my-study.yaml"))
    (tmp_path / "my-study.yaml").write_text("\n" * 5 + "trial: {optimizer: {name: adm}}\n")
    done = hpsearch("run", "my-study.yaml", home=tmp_path / "home", cwd=tmp_path)
    assert done.stderr.strip() == shown


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL))
def test_the_study_files_that_the_readme_shows_are_valid(text, tmp_path):
    (tmp_path / "my-study.yaml").write_text(text)
    # The one about a training of your own names a module that the README shows, too.
    (module,) = re.findall(r"```python\n(# my_training\.py\n.*?)```", README, flags=re.DOTALL)
    (tmp_path / "my_training.py").write_text(module)
    for options in [[], ["--quick"]] if "quick:" in text else [[]]:
        done = hpsearch("validate", "my-study.yaml", *options, home=tmp_path / "home", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_readme_names_every_row_of_the_catalogue():
    from hpsearch.catalogue.losses import LOSSES
    from hpsearch.catalogue.models import MODELS
    from hpsearch.catalogue.optimizers import OPTIMIZERS
    from hpsearch.catalogue.schedules import SCHEDULES

    chosen = README.partition("### What can be chosen")[2].partition("##")[0]
    assert not [name for rows in (OPTIMIZERS, SCHEDULES, MODELS, LOSSES) for name in rows if f"`{name}`" not in chosen]
