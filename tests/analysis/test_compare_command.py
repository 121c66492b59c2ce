"""`hpsearch compare` and what `run` leaves: table, CSV, JSON, and a page that needs no network."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from support import hpsearch, require, result_of

from hpsearch.analysis.comparison import compare_trials
from hpsearch.report.comparison_page import mean_curve, pictures
from hpsearch.search.home import Home
from hpsearch.search.storage import find_study

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def page(tiny) -> Path:
    return Path(tiny.summary["comparison"])


@pytest.fixture(scope="module")
def comparison(tiny):
    study = find_study(Home(tiny.home), "tiny")
    return compare_trials(study.name, study.description, study.objective, study.compare, study.records())


def test_a_grid_goes_on_where_it_was_and_trains_each_point_once(tiny):
    assert sum(tiny.first["trials"].values()) == 2
    assert sum(tiny.summary["trials"].values()) == 9
    points = {(t["params"]["learning_rate"], t["params"]["seed"]) for t in tiny.trials}
    assert points == {(rate, seed) for rate in (0.001, 0.1, 1e30) for seed in (0, 1, 2)}


def test_run_ends_with_the_comparison_and_its_page(tiny):
    again = hpsearch("run", str(tiny.file), "--trials", "99", home=tiny.home)
    assert again.returncode == 0
    assert "note: 99 trials are asked for; the grid has 9 points" in again.stderr
    assert f"table and pictures: {tiny.home / 'studies' / 'tiny' / 'comparison.html'}" in again.stderr
    assert "3, 3 diverged" in again.stdout
    assert "Mean ± standard deviation (number of trials)" in again.stdout


def test_csv_holds_a_row_for_each_point_and_raw_for_each_trial(tiny, comparison):
    text = hpsearch("compare", "tiny", "-f", "csv", home=tiny.home).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["optimizer"], float(row["learning_rate"]), row["chosen"]) for row in rows] == [
        ("calm", 0.001, "False"),
        ("calm", 0.1, "True"),
        ("wild", 1e30, "True"),
    ]
    best = comparison.points[0].metrics["val_accuracy"]
    assert float(rows[1]["val_accuracy.mean"]) == best.mean
    assert float(rows[1]["val_accuracy.std"]) == best.std
    assert rows[1]["val_accuracy.count"] == rows[1]["trials"] == "3"
    assert rows[2]["diverged"] == "3"
    raw = list(csv.DictReader(io.StringIO(hpsearch("compare", "tiny", "--raw", "-f", "csv", home=tiny.home).stdout)))
    assert [int(row["number"]) for row in raw] == list(range(9))
    values = {int(row["number"]): float(row["val_accuracy"]) for row in raw if row["outcome"] != "diverged"}
    assert values == {number: shown["value"] for number, shown in enumerate(tiny.trials) if shown["value"] is not None}


def test_json_holds_points_and_trials(tiny, comparison, tmp_path):
    page = tmp_path / "out.html"
    data = result_of(hpsearch("compare", "tiny", "-f", "json", "-o", str(page), home=tiny.home))
    assert data == json.loads(json.dumps(comparison.plain()))
    assert len(data["points"]) == 3
    assert len(data["trials"]) == 9
    assert "<h1>tiny</h1>" in page.read_text()


def test_what_cannot_be_compared_is_told_in_a_line(tiny, tmp_path):
    assert "unknown study 'tinny' (did you mean 'tiny'?)" in hpsearch("compare", "tinny", home=tiny.home).stderr
    missing = hpsearch("compare", "tiny", "-o", str(tmp_path / "no" / "x.html"), home=tiny.home)
    assert missing.returncode == 2
    assert "x.html: cannot be written" in missing.stderr
    kept = tmp_path / "mine.html"
    kept.write_text("mine")
    refused = hpsearch("compare", "tiny", "-o", str(kept), home=tiny.home)
    assert (refused.returncode, refused.stdout, kept.read_text()) == (2, "", "mine")
    assert "exists; --force overwrites it" in refused.stderr


def test_the_page_refers_to_nothing_outside_and_holds_the_curves(page, comparison):
    text = page.read_text(encoding="utf-8")
    outside = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)\s*=[^>]*>", text.partition("<body>")[2])
    assert outside == []
    assert "<script src" not in text
    assert "A calm rate &amp; a wild one &lt;for tests&gt;." in text
    for _, spread in mean_curve(comparison.points[0], "val_accuracy"):
        assert json.dumps(spread.mean) in text


def test_each_asked_picture_is_drawn_once_with_titles_and_names(comparison):
    titles = [picture.figure.layout.title.text for picture in pictures(comparison)]
    assert titles == [
        "Validation accuracy by optimizer",
        "Validation accuracy by learning rate, every point",
        "Validation accuracy over the epochs",
        "Training loss over the epochs",
    ]
    for picture in pictures(comparison):
        assert picture.figure.layout.xaxis.title.text
        assert picture.figure.layout.yaxis.title.text
        assert picture.caption


def test_the_curves_are_mean_and_band(comparison):
    curves = list(pictures(comparison))[2].figure
    line, band = (trace for trace in curves.data if trace.legendgroup == "calm")
    spreads = [spread for _, spread in mean_curve(comparison.points[0], "val_accuracy")]
    assert list(line.x) == [1, 2, 3]
    assert list(line.y) == [spread.mean for spread in spreads]
    upper = [spread.mean + spread.std for spread in spreads]
    lower = [spread.mean - spread.std for spread in spreads]
    assert list(band.y) == upper + lower[::-1]


@pytest.mark.browser
@pytest.mark.e2e
def test_the_page_opens_from_disk_without_a_network(page):
    require(CHROMIUM.exists(), "needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        context = browser.new_context(offline=True)
        opened, asked, wrong = context.new_page(), [], []
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.goto(page.as_uri())
        opened.wait_for_selector(".js-plotly-plot .scatterlayer .trace")
        drawn = opened.locator(".js-plotly-plot .scatterlayer").count()
        names = opened.locator(".legendtext").all_text_contents()
        browser.close()
    assert asked == [page.as_uri()]
    assert wrong == []
    assert drawn == 4
    assert {"calm", "wild"} <= set(names)
