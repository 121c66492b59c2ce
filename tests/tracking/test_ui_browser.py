"""`hpsearch ui` as people meet it: MLflow's real server, and the comparison view in a real browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest
from support import hpsearch, require, start_hpsearch, wait_for
from tracking.story import Story, make_config, make_listener, make_row, make_spec

from hpsearch.errors import EnvironmentProblem
from hpsearch.search.home import Home
from hpsearch.search.storage import begin_study
from hpsearch.tracking.client import open_client
from hpsearch.tracking.ui import HOST, choose_port, experiment_of, serve
from hpsearch.training.results import Outcome

pytestmark = pytest.mark.e2e

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Whether a person sees an element: nothing lies over its middle, and no scrolled pane cuts it off.
IN_SIGHT = """element => {
    const box = element.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return top !== null && (element.contains(top) || top.contains(element));
}"""
# Cells with the number of their row; the table keeps them in no order.
ROWS = """cells => cells.map(cell => [cell.closest('[role="row"]').getAttribute("row-index"), cell.innerText])"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A finished study of eight trials, each a little better than the one before; the seventh diverged."""
    folder = tmp_path_factory.mktemp("ui")
    home = Home(folder / "mlruns")
    home.create()
    spec = make_spec(folder)
    begin_study(home, spec, "name: told\n")
    story = Story(spec, make_listener(home))
    story.start()
    for number in range(8):
        knobs = {"momentum": 0.9} if number % 2 else {"beta_1": 0.95}
        config = make_config(number, "sgd" if number % 2 else "adam", learning_rate=0.001 * (number + 1), **knobs)
        if number == 6:
            story.begin(number, config)
            story.epochs(number, [make_row(1, 0.3), make_row(2, 0.1, float("nan"))])
            story.end(number, Outcome.DIVERGED)
        elif number == 7:
            story.begin(number, config)
            rows = [make_row(epoch, value) for epoch, value in enumerate([0.71, 0.81, 0.55], 1)]
            busy = {"system/cpu_utilization_percentage": 50.0}
            story.epochs(number, [replace(row, metrics={**row.metrics, **busy}) for row in rows])
            story.end(number, Outcome.EARLY_STOPPED)
        else:
            outcome = Outcome.PRUNED if number == 4 else Outcome.EARLY_STOPPED
            story.trial(number, config, [0.5 + 0.03 * number, 0.6 + 0.03 * number, 0.55], outcome)
    story.finish()
    return home


@pytest.fixture(scope="module")
def address(home: Home) -> Iterator[str]:
    """What `hpsearch ui told` prints; the command ends with the module's last test."""
    command = start_hpsearch("ui", "told", "--no-open", home=home.root)
    assert command.stdout is not None
    yield command.stdout.readline().strip()
    end(command, signal.SIGTERM)


def end(command: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send the signal; the exit code and what was said. Nothing that the command started may be left."""
    started = psutil.Process(command.pid).children(recursive=True)
    assert started
    command.send_signal(number)
    _, said = command.communicate(timeout=30)
    wait_for(lambda: not any(map(alive, started)), 20, "the server ends")
    return command.returncode, said


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages are kept."""
    folder = Path(os.environ.get("HPSEARCH_TEST_ARTIFACTS", tmp_path_factory.mktemp("shots")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require(CHROMIUM.is_file(), "Chromium is not installed at /usr/bin/chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The printed address, opened by somebody who has never been there."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector('[role="gridcell"][col-id="params.`optimizer`"]', timeout=60_000)
    yield page
    context.close()


def close_panel(page: Any) -> None:
    """MLflow shows a panel of its own until it is closed once."""
    panel = page.locator('[data-component-id="mlflow.assistant.chat_panel.close"]')
    if panel.count():
        panel.first.click()


def values(page: Any, column: str) -> list[str]:
    cells = page.locator(f'[role="gridcell"][col-id="{column}"]')
    rows = {int(row): text for row, text in cells.evaluate_all(ROWS)}
    return [rows[row] for row in sorted(rows)]


def names(page: Any) -> list[str]:
    return [text.splitlines()[-1] for text in values(page, "attributes.`Run Name`")]


def points_of(page: Any, chart: str) -> int:
    """How many points the curves of a chart have."""
    card = page.locator('[data-testid="experiment-view-compare-runs-card"]', has=page.get_by_text(chart, exact=True))
    return int(card.locator(".scatterlayer .point").count())


@pytest.mark.browser
def test_the_printed_address_opens_the_comparison(page: Any, shots: Path) -> None:
    def header(column: str) -> bool:
        found = page.locator(f'[role="columnheader"][col-id="{column}"]')
        return found.count() == 1 and bool(found.evaluate(IN_SIGHT))

    first_sight = ["metrics.`best_val_accuracy`", "tags.`hpsearch.outcome`"]
    first_sight += [f"params.`{name}`" for name in ("optimizer", "learning_rate", "batch_size")]
    wait_for(lambda: all(map(header, first_sight)), 20, "these columns stand there without a click")
    page.screenshot(path=shots / "mlflow-comparison-first-visit.png")

    # The trials alone, the best first, with their values.
    order = [7, 5, 4, 3, 2, 1, 0, 6]
    assert names(page) == [f"trial {n} {'sgd' if n % 2 else 'adam'}" for n in order]
    assert values(page, "params.`learning_rate`")[0] == "0.008"
    assert values(page, "params.`optimizer`")[:2] == ["sgd", "sgd"]
    # MLflow has a green tick beside a pruned trial, too.
    outcomes = ["early_stopped", "early_stopped", "pruned", *["early_stopped"] * 4, "diverged"]
    assert values(page, "tags.`hpsearch.outcome`") == outcomes
    assert float(values(page, "metrics.`best_val_accuracy`")[0]) == pytest.approx(0.8)

    # Without MLflow's panel there is room for everything that varies.
    close_panel(page)
    everything = [*first_sight, *(f"params.`{name}`" for name in ("schedule", "momentum", "beta_1"))]
    everything += ["metrics.`best_epoch`"]
    wait_for(lambda: all(map(header, everything)), 20, "what varies stands there")
    page.screenshot(path=shots / "mlflow-comparison.png")
    assert values(page, "params.`momentum`")[0] == "0.9"
    assert values(page, "metrics.`best_epoch`")[0] == "2"


@pytest.mark.browser
def test_from_the_first_page_of_mlflow_two_clicks_lead_to_the_trials(browser: Any, address: str, shots: Path) -> None:
    """As with plain `mlflow ui`: it opens in a mode for language models, where an experiment with runs looks empty."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.goto(address.partition("#")[0])
    page.get_by_role("link", name="told", exact=True).first.click(timeout=60_000)
    page.wait_for_selector("text=Study told of hpsearch", timeout=60_000)
    page.screenshot(path=shots / "mlflow-first-page.png")
    notice = page.get_by_role("button", name="Got it")
    if notice.count():
        notice.first.click()
    with context.expect_page() as opened:
        page.get_by_role("link", name="compare the trials").first.click()
    opened.value.wait_for_selector('[role="gridcell"][col-id="params.`optimizer`"]', timeout=60_000)
    assert names(opened.value)[:2] == ["trial 7 sgd", "trial 5 sgd"]
    context.close()


@pytest.mark.browser
def test_a_click_leads_to_parallel_coordinates_and_curves(page: Any, shots: Path) -> None:
    close_panel(page)
    page.locator('label:has(input[name="runs-view-mode"][value="CHART"])').click()
    page.wait_for_selector(".dimension .label", timeout=30_000)
    axes = page.locator(".dimension .label").all_text_contents()
    assert axes[:4] == ["optimizer", "learning_rate", "batch_size", "schedule"]
    assert axes[4:] == ["best_v...curacy"]
    # Seven trials of three epochs, and one that ended in its second, where its loss was no number.
    wait_for(lambda: points_of(page, "val_accuracy") == 23, 30, "the curves of all trials")
    sections = page.locator('[data-testid="experiment-view-compare-runs-section-header"]').all_inner_texts()
    assert [section.split()[0] for section in sections] == ["Study", "Model", "System"]
    page.screenshot(path=shots / "mlflow-curves.png")


@pytest.mark.browser
def test_a_click_on_a_trial_leads_to_its_curve(page: Any, shots: Path) -> None:
    close_panel(page)
    page.get_by_role("link", name="trial 7 sgd").click()
    page.get_by_role("tab", name="Model metrics").or_(page.get_by_role("link", name="Model metrics")).first.click()
    page.get_by_placeholder("Search metric charts").fill("^val_accuracy$")
    wait_for(lambda: points_of(page, "val_accuracy") == 3, 30, "the learning curve of a trial")
    page.screenshot(path=shots / "mlflow-trial.png")
    page.get_by_role("tab", name="System metrics").or_(page.get_by_role("link", name="System metrics")).first.click()
    wait_for(lambda: points_of(page, "cpu_utilization_percentage") == 3, 30, "how busy the machine was")


@pytest.mark.browser
def test_the_other_view_nests_the_trials_in_the_study(page: Any, shots: Path) -> None:
    close_panel(page)
    page.locator('[data-component-id="mlflow.experiment_page.saved_views.trigger"]').click()
    page.get_by_test_id("saved-views-item-hpsearch-nested").click()
    wait_for(lambda: names(page) == ["told"], 30, "the study's own run")
    page.locator('[role="gridcell"][col-id="attributes.`Run Name`"] button').first.click()
    trials = [f"trial {n} {'sgd' if n % 2 else 'adam'}" for n in range(8)]
    wait_for(lambda: names(page) == ["told", *trials], 10, "its trials below it")
    page.screenshot(path=shots / "mlflow-nested.png")
    # Its page says in words how the study went.
    page.get_by_role("link", name="told").last.click()
    page.wait_for_selector("text=Best: val_accuracy 0.8", timeout=30_000)
    assert page.get_by_text("8 trials have ended (6 complete, 2 pruned, 0 failed)").is_visible()
    page.screenshot(path=shots / "mlflow-study.png")


def test_artifacts_can_be_taken(address: str, home: Home) -> None:
    client = open_client(home.mlflow_db)
    base = address.partition("/#/")[0]
    [parent] = client.search_runs([experiment_of(base, "told")], "tags.`hpsearch.kind` = 'study'")
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"{base}/get-artifact?path=best.yaml&run_uuid={parent.info.run_id}", timeout=30) as answer:
        assert answer.read().decode() == "# trial 7 of told\n"


def test_the_default_port_gives_way_and_a_named_one_does_not(address: str, home: Home) -> None:
    taken = int(address.partition("/#/")[0].rpartition(":")[2])
    assert choose_port(None) != taken
    refused = hpsearch("ui", "told", "--port", str(taken), home=home.root)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.strip() == (f"error: port {taken} is taken; leave --port out to take the next free one")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
@pytest.mark.e2e(but=("ctrl-c",))
def test_the_server_ends_with_the_command(number: signal.Signals, home: Home, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = start_hpsearch("ui", "--port", str(port), "--no-open", home=home.root)
    assert command.stdout is not None
    assert command.stdout.readline().strip() == f"http://{HOST}:{port}/#/experiments"
    code, said = end(command, number)
    assert code == (0 if number == signal.SIGINT else -signal.SIGKILL)
    assert said in {"", "Ctrl-C ends it\n"}
    assert choose_port(port) == port


def test_no_runs_yet(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no runs here yet; run a study with `hpsearch run`"):
        serve(Home(tmp_path), None, None, False, print)
    assert list(tmp_path.iterdir()) == []
    refused = hpsearch("ui", home=tmp_path)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


def test_an_unknown_study_names_the_known_ones(home: Home) -> None:
    refused = hpsearch("ui", "tolt", home=home.root)
    assert refused.returncode == 2
    assert "unknown study" in refused.stderr
    assert "did you mean 'told'?" in refused.stderr


def test_a_server_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.mlflow_db.write_bytes(b"no database at all" * 100)
    with pytest.raises(EnvironmentProblem, match=r"mlflow-ui\.log") as caught:
        serve(home, None, None, False, print)
    assert "\n" not in str(caught.value)
