"""The documents cannot drift: their commands are run, their examples are valid, their tables are complete."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from support import QUICKSTART, ROOT, SMALL, hpsearch

from hpsearch.config.file import study_schema
from hpsearch.config.trial import SELECTIONS

README, STUDIES, RUNS = (
    (ROOT / folder / "README.md").read_text(encoding="utf-8") for folder in (".", "studies", "mlruns")
)
DOCUMENTS = "\n".join((README, STUDIES, RUNS))
COMMANDS = list(
    dict.fromkeys(
        line.split("#")[0].strip()
        for block in re.findall(r"```console\n(.*?)```", DOCUMENTS, flags=re.DOTALL)
        for line in block.splitlines()
        if line.startswith("hpsearch ")
    )
)
QUICK = "hpsearch run studies/activations.yaml --quick"
# Run elsewhere: `ui` serves for ever (the browser test opens it), `data fetch` downloads (the data tests do), and the
# short version of a comparison is run once, for the commands that show it.
ELSEWHERE = {"hpsearch ui quickstart", "hpsearch data fetch", QUICK}
TRAINS = [
    command
    for command in COMMANDS
    if command not in ELSEWHERE and re.match(r"hpsearch (run|train|bench|reproduce|compare)|.*--verify", command)
]
READS = [command for command in COMMANDS if command not in ELSEWHERE and command not in TRAINS]


def test_the_readme_is_short_and_the_documents_show_every_command():
    assert len(README.splitlines()) <= 250
    listed = hpsearch("--help", home=ROOT / "unused").stdout.partition("Run:")[2]
    names = re.findall(r"^  (\w+)", listed, flags=re.MULTILINE)
    assert len(names) == 18
    assert not [name for name in names if f"hpsearch {name}" not in DOCUMENTS]


def run_command(command: str, home: Any, folder: Any) -> None:
    words = command.split()[1:]
    shutil.copytree(QUICKSTART.parent, folder / "studies", dirs_exist_ok=True)
    if words[0] == "run":
        words += [*SMALL, "--trials", "6"]
        if "short" in words:
            words = [*words[:-1], "1"]
    if words[0] == "bench":
        words += SMALL
    if words[0] == "train":
        hpsearch("export", "quickstart", "-o", "best.yaml", home=home, cwd=folder)
    done = hpsearch(*words, home=home, cwd=folder)
    assert done.returncode == 0, (command, done.stderr)


@pytest.mark.e2e
def test_every_command_of_the_documents_that_reads_runs(finished, tmp_path):
    for command in READS:
        run_command(command, finished.home, tmp_path)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The home folder after the README's short comparison, on the packaged sample."""
    home = tmp_path_factory.mktemp("quick")
    assert QUICK in COMMANDS
    done = hpsearch(*QUICK.split()[1:], *SMALL, "--trials", "2", home=home, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.e2e
@pytest.mark.parametrize("command", TRAINS)
def test_every_command_of_the_documents_that_trains_runs(command, finished, request, tmp_path):
    home = request.getfixturevalue("quick") if command.startswith("hpsearch compare") else finished.home
    run_command(command, tmp_path / "home" if "short" in command else home, tmp_path)


def test_the_error_that_the_readme_shows_is_the_real_one(tmp_path):
    shown = next(line for line in README.splitlines() if line.startswith("error: my-study.yaml"))
    (tmp_path / "my-study.yaml").write_text("\n" * 5 + "trial: {optimizer: {name: adm}}\n")
    done = hpsearch("run", "my-study.yaml", home=tmp_path / "home", cwd=tmp_path)
    assert done.stderr.strip() == shown


def test_the_study_files_that_the_documents_show_are_valid(tmp_path):
    # The one about a user's own training names a module that is shown, too.
    (module,) = re.findall(r"```python\n(# my_training\.py\n.*?)```", DOCUMENTS, flags=re.DOTALL)
    (tmp_path / "my_training.py").write_text(module)
    shown = re.findall(r"```yaml\n(.*?)```", DOCUMENTS, flags=re.DOTALL)
    assert len(shown) == 3
    for text in shown:
        (tmp_path / "my-study.yaml").write_text(text)
        for options in [[], ["--quick"]] if "quick:" in text else [[]]:
            done = hpsearch("validate", "my-study.yaml", *options, home=tmp_path / "home", cwd=tmp_path)
            assert done.returncode == 0, done.stderr


DISTRIBUTIONS = {"choice", "float", "int", "one_minus"}


def keys_of(node: dict[str, Any], path: str, root: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Every key of a study file as (path of its section, key, default), without the knobs of the catalogue."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    if not DISTRIBUTIONS.isdisjoint(node.get("properties", {})):
        return
    for option in [*node.get("anyOf", ()), *node.get("oneOf", ())]:
        yield from keys_of(option, path, root)
    for key, value in node.get("properties", {}).items():
        yield path, key, value.get("default")
        below = f"{path}.{key}".lstrip(".")
        if below.removeprefix("trial.") not in SELECTIONS:
            yield from keys_of(value, below, root)


def test_the_reference_of_study_files_has_every_key_of_the_schema_with_its_default():
    schema = study_schema()
    schema["properties"]["trial"] = schema["$defs"]["trial"]
    schema["properties"]["objective"] = schema["else"]["properties"]["objective"]
    sections = dict(re.findall(r"^#+ `?([^\n`]+)`?[^\n]*\n(.*?)(?=^#|\Z)", STUDIES, flags=re.DOTALL | re.MULTILINE))
    sections[""] = sections.pop("The file")
    found = list(keys_of(schema, "", schema))
    assert {key for path, key, _ in found if path == "search.pruner"} >= {"min_resource", "warmup_epochs"}
    assert {path for path, _, _ in found} >= {"", "trial", "trial.training.early_stopping", "search", "compare"}
    for path, key, default in found:
        row = re.search(rf"^\| `{key}` \|([^|]*)\|", sections.get(path, ""), flags=re.MULTILINE)
        assert row, f"studies/README.md lacks `{key}` under '{path}'"
        if isinstance(default, int | float | str) and path and key != "name":
            assert row[1].strip() == json.dumps(default).strip('"'), (path, key)


def test_the_reference_of_study_files_lists_the_studies_of_its_folder():
    listed = re.findall(r"^\| \[`(\w+)`\]\((\w+)\.yaml\)", STUDIES, flags=re.MULTILINE)
    assert {name for name, _ in listed} == {file.stem for file in QUICKSTART.parent.glob("*.yaml")}
    assert all(name == file for name, file in listed)


def test_the_links_of_the_documents_lead_somewhere():
    for folder, text in {".": README, "studies": STUDIES, "mlruns": RUNS}.items():
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[\w-]+)?\)", text):
            file = ROOT / folder / target if target else ROOT / folder / "README.md"
            assert file.exists(), target
            if anchor:
                titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
                assert anchor[1:] in anchors, (folder, anchor)
