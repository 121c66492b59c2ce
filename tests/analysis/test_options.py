"""The options of a choice compared: by hand, and by the real command on a study of a user's own training."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from support import gain_study, hpsearch, result_of, sample_config

from hpsearch.analysis.option_report import option_rows, option_sentences
from hpsearch.analysis.options import compare_options
from hpsearch.config.file import Objective
from hpsearch.config.space import Options, choices, find_choice, name_parameters, parse
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Finalist, Finals
from hpsearch.training.results import GOOD, EpochMetrics, Outcome, best_of

UP, DOWN = Objective(), Objective(metric="val_loss", direction="minimize")
OPTIMIZER = Options((), name="optimizer", labels=("adam", "sgd", "lion"))


def trial(number, optimizer, value, outcome=Outcome.COMPLETED, objective=UP):
    epochs = (
        ()
        if value is None
        else (EpochMetrics(1, {objective.metric: value}), EpochMetrics(2, {objective.metric: value}))
    )
    good = outcome in GOOD
    return TrialRecord(
        number=number,
        state="COMPLETE" if good else "FAIL" if outcome is Outcome.FAILED else "PRUNED" if outcome else "RUNNING",
        outcome=outcome,
        config=None,
        epochs=epochs,
        best=best_of(epochs, objective) if outcome is not Outcome.DIVERGED else None,
        params={"optimizer": optimizer},
    )


def records(objective=UP):
    """The adam trials have 0.9, 0.6, 0.8 (pruned) and the worst value; those of sgd 0.7 and 0.5, and one failed."""
    return [
        trial(0, "adam", 0.9, objective=objective),
        trial(1, "sgd", 0.7, Outcome.EARLY_STOPPED, objective),
        trial(2, "adam", 0.6, objective=objective),
        trial(3, "sgd", 0.95, Outcome.FAILED, objective),
        trial(4, "adam", 0.8, Outcome.PRUNED, objective),
        trial(5, "adam", 0.99, Outcome.DIVERGED, objective),
        trial(6, "sgd", 0.5, objective=objective),
        trial(7, "sgd", 0.99, None, objective),
    ]


def test_by_hand():
    found = compare_options("s", UP, records(), OPTIMIZER, None, "tpe")
    adam, sgd, lion = found.options
    assert (found.k, found.worst_value) == (2, 0.5)
    assert [(one.label, one.trials, one.pruned, one.worst, one.failed, one.unfinished) for one in found.options] == [
        ("adam", 4, 1, 1, 0, 0),
        ("sgd", 2, 0, 0, 1, 1),
        ("lion", 0, 0, 0, 0, 0),
    ]
    # Of 0.9, 0.6, 0.8 and 0.5 two are drawn: the larger is three times 0.9, twice 0.8 and once 0.6.
    assert adam.after(2).mean == pytest.approx((3 * 0.9 + 2 * 0.8 + 0.6) / 6)
    assert sgd.after(2).mean == pytest.approx(0.7)
    assert lion.after(2) is None
    assert (adam.best.number, sgd.best.number, lion.best) == (0, 1, None)
    # Every epoch that was trained, those of failed and unfinished trials too.
    assert (adam.epochs, sgd.epochs) == (8, 8)
    assert (adam.lead.over, adam.lead.method) == ("sgd", "bootstrap over trials")
    assert 0.5 < adam.lead.probability < 1
    assert sgd.lead is None
    first, second, _ = option_rows(found)
    assert first["best (trial)"] == "0.9 (0)"
    assert first["best of 2 [95% band]"].startswith("0.8167 [")
    assert first["of its trials"] == "1 pruned, 1 diverged or over limits"
    assert second["of its trials"] == "1 failed, 1 unfinished"
    text = list(option_sentences(found))
    assert text[0].startswith("adam ")
    assert "after 2 trials each: expected best val_accuracy 0.8167 [" in text[0]
    for words in (
        "diverged or broke a limit count with the worst value of the study, 0.5.",
        "those of the sampler tpe depend on the trials before",
        "such a band holds the true value in about half of simulated studies",
        "`search.balance` in a study file gives all the same number",
        "No trial of lion counts.",
    ):
        assert any(words in line for line in text), words


def test_a_metric_to_minimize():
    found = compare_options("s", DOWN, records(DOWN), OPTIMIZER, None)
    sgd, adam, _ = found.options
    # The worst of all values is adam's 0.9, which the trial that diverged counts with.
    assert (sgd.label, found.worst_value) == ("sgd", 0.9)
    assert sgd.after(2).mean == pytest.approx(0.5)
    assert adam.after(2).mean == pytest.approx((3 * 0.6 + 2 * 0.8 + 0.9) / 6)
    for at in (*sgd.curve, *adam.curve):
        assert at.low <= at.mean <= at.high
    assert [at.mean for at in adam.curve] == sorted((at.mean for at in adam.curve), reverse=True)
    assert (adam.best.number, sgd.best.number) == (2, 6)


def finalist(number, *values):
    """A finalist whose trainings, with the seeds 0, 1, ..., had these values."""
    runs = [replace(trial(seed, "", value), config=sample_config(seed=seed)) for seed, value in enumerate(values)]
    return Finalist(number, 0.9, sample_config(seed=None), tuple(runs))


def test_finalists_decide_by_paired_seeds():
    noise = (0.03, -0.03, 0.0, 0.02, -0.02)
    ours = finalist(1, *(0.711 + x for x in noise))
    theirs = finalist(0, 0.70 + 0.031, 0.70 - 0.03, 0.70, 0.70 + 0.02, 0.70 - 0.021)
    worse = finalist(4, *(0.6 + x for x in noise))
    found = compare_options(
        "s", UP, records(), OPTIMIZER, Finals(UP, tuple(range(5)), (ours, theirs, worse), None, (), ())
    )
    sgd, adam, _ = found.options
    assert (sgd.label, sgd.finalist.finalist.trial, adam.finalist.finalist.trial) == ("sgd", 1, 0)
    assert sgd.lead.method == "Student's t over 5 paired seeds"
    assert sgd.lead.probability > 0.999
    finding, other_way, *_ = option_sentences(found)
    assert finding.startswith(
        "sgd is ahead of adam: the mean val_accuracy of its best finalist, trial 1, is 0.7110 [0.6793, 0.7427] against"
    )
    assert "the probability that it is ahead is more than 0.99 (Student's t over 5 paired seeds)." in finding
    assert other_way.startswith("The expected best after 2 trials each is the other way round: 0.8167 [")
    assert option_rows(found)[0]["best finalist's mean [95%]"] == "0.7110 [0.6793, 0.7427] (trial 1)"


def test_finalists_of_one_option_only_decide_nothing():
    alone = Finals(UP, (0, 1), (finalist(1, 0.99, 0.98),), None, (), ())
    adam, sgd, _ = compare_options("s", UP, records(), OPTIMIZER, alone).options
    assert (adam.label, adam.finalist, adam.lead.method) == ("adam", None, "bootstrap over trials")
    assert sgd.finalist.interval.mean == pytest.approx(0.985)


def test_what_cannot_be_told_apart():
    same = [trial(number, ("adam", "sgd")[number % 2], 0.5 + number // 2 / 10) for number in range(10)]
    finding, *_ = option_sentences(compare_options("s", UP, same, OPTIMIZER, None))
    assert finding.startswith("adam and sgd cannot be told apart after 5 trials each: expected best")
    assert finding.endswith("is 0.50 (bootstrap over trials), less than 0.95.")
    apart = [trial(number, ("adam", "sgd")[number % 2], 0.9 - number % 2 / 2) for number in range(8)]
    few = next(option_sentences(compare_options("s", UP, apart, OPTIMIZER, None)))
    assert few.endswith("is more than 0.99 (bootstrap over trials), but 4 trials each are too few to rely on it.")
    apart += [trial(8, "adam", 0.9), trial(9, "sgd", 0.4)]
    enough = next(option_sentences(compare_options("s", UP, apart, OPTIMIZER, None)))
    assert enough == (
        "adam is ahead of sgd after 5 trials each: expected best val_accuracy 0.9000 [0.9000, 0.9000] against "
        "0.4000 [0.4000, 0.4000]; the probability that it is ahead is more than 0.99 (bootstrap over trials)."
    )
    single = [trial(0, "adam", 0.5), trial(1, "sgd", 0.4)]
    assert "has a single trial that counts" in next(option_sentences(compare_options("s", UP, single, OPTIMIZER, None)))
    alone = [trial(0, "adam", 0.5), trial(1, "adam", 0.4)]
    assert "Only adam has trials that count" in next(option_sentences(compare_options("s", UP, alone, OPTIMIZER, None)))
    assert compare_options("s", UP, [trial(0, "adam", 0.5, Outcome.FAILED)], OPTIMIZER, None) is None


def test_small_values_and_options_that_are_no_words_are_shown():
    switch = Options((), name="optimizer", labels=(None, True))
    tiny = [trial(number, (None, True)[number % 2], 1e-6 * (number + 1)) for number in range(6)]
    first, second = option_rows(compare_options("s", UP, tiny, switch, None))
    assert (first["option"], second["option"]) == ("yes", "none")
    assert first["best of 3 [95% band]"].startswith("6e-06 [")


def test_the_names_of_choices():
    tree = {
        "model": {"choice": [{"architecture": "mlp", "activation": {"choice": ["relu", "tanh"]}}, "cnn"]},
        "batch_size": {"choice": [32, 64]},
    }
    space = name_parameters(parse(tree, ("trial",), []))
    known = choices(space)
    assert list(known) == ["model", "model.mlp.activation", "batch_size"]
    assert list(choices(space, always=True)) == ["model", "batch_size"]
    for name, full in (("activation", "model.mlp.activation"), ("architecture", "model"), ("batch_size", "batch_size")):
        assert find_choice(known, name).name == full
    assert find_choice(known, "name") is find_choice(known, "width") is None
    labelled = choices(name_parameters(parse({"model": {"choice": {"small": "mlp", "big": "cnn"}}}, ("trial",), [])))
    assert find_choice(labelled, "architecture") is None


TRAINING = """
def train(config, seed):
    if seed == 5:
        raise ValueError("the sixth trial fails")
    for epoch in (1, 2):
        yield {"gain": float("nan") if seed == 1 else config["x"] / epoch + {"a": 3, "b": 0, "c": 2}[config["way"]]}
"""
SEARCH = "search: {sampler: random, trials: 9, pruner: none, balance: way}\nlimits: {retries: 0}\n"


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """The home folder after a study over three options, with a trial that diverged and one that failed."""
    folder = tmp_path_factory.mktemp("ways")
    file = gain_study(folder, "ways", TRAINING, SEARCH + "finalists: {top: 4, seeds: 3}\n")
    file.write_text(file.read_text().replace("trial: {", "trial: {way: {choice: [b, a, c]}, n: {int: [1, 3]}, "))
    result_of(hpsearch("run", str(file), "-f", "json", home=folder / "home"))
    return folder / "home"


def test_the_command_in_each_format(ways):
    data = result_of(hpsearch("compare", "ways", "--by", "way", "-f", "json", home=ways))
    trials = {record["number"]: record for record in result_of(hpsearch("trials", "ways", "-f", "json", home=ways))}
    assert [one["option"] for one in data["options"]] == ["a", "c", "b"]
    counts = ("trials", "failed", "diverged_or_over_limits")
    assert [tuple(one[name] for name in counts) for one in data["options"]] == [(3, 0, 1), (2, 1, 0), (4, 0, 0)]
    for one in data["options"]:
        assert len(one["curve"]) == one["trials"]
        assert one["curve"][-1]["mean"] == pytest.approx(one["best"])
        assert trials[one["best_trial"]]["value"] == one["best"]
        assert one["expected_best"]["mean"] == one["curve"][data["k"] - 1]["mean"]
    first = data["options"][0]
    assert first["finalist_mean"]["count"] == 3
    assert (first["next_option"], first["probability_method"]) == ("c", "Student's t over 3 paired seeds")
    assert data["sentences"][0].startswith("a is ahead of c: the mean gain of its best finalist")
    text = hpsearch("compare", "ways", "--by", "way", "-f", "csv", home=ways).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["option"] for row in rows] == ["a", "c", "b"]
    assert float(rows[0]["expected_best.mean"]) == first["expected_best"]["mean"]
    assert rows[2]["finalist_mean.mean"] == rows[2]["next_option"] == ""
    assert "finalist_mean" not in rows[0]
    shown = hpsearch("compare", "ways", "--by", "way", home=ways)
    assert shown.returncode == 0
    assert "ways: gain by way" in shown.stdout
    for sentence in data["sentences"]:
        assert sentence in shown.stdout
    yaml = hpsearch("compare", "ways", "--by", "way", "-f", "yaml", home=ways)
    assert "probability_better_than_next" in yaml.stdout
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--by", "wey"], "unknown choice 'wey' (did you mean 'way'?); available: way"),
        (["--by", "n"], "unknown choice 'n'; available: way"),
        (["--by", "way", "--raw"], "--by and --raw cannot go together: give one of them"),
        (["--by", "way", "-o", "x.html"], "--by and --output cannot go together: give one of them"),
        ([], "has no section `compare`, which says what to compare; `--by NAME` compares the options of a choice"),
    ],
)
def test_bad_input_is_one_line(ways, arguments, line):
    done = hpsearch("compare", "ways", *arguments, home=ways)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1
