"""The sampler that draws around recommended values: how likely each way is, what it draws, and whether it helps."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median, stdev

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from hpsearch.config.file import Objective
from hpsearch.config.space import name_parameters, parse
from hpsearch.search.independent import position, quantile
from hpsearch.search.priors import (
    Evidence,
    PriorSampler,
    density,
    evidence_of,
    optuna_distributions,
    priors,
    shares,
)
from hpsearch.search.sampling import suggest


def space_of(trial):
    problems = []
    space = name_parameters(parse(trial, ("trial",), problems))
    assert problems == []
    return space


MIXED = {
    "optimizer": {
        "choice": [
            {
                "name": "sgd",
                "learning_rate": {"float": [1e-3, 1.0], "log": True, "prior": 0.1},
                "momentum": {"one_minus": [1e-3, 1.0], "log": True, "prior": 0.9},
                "nesterov": {"choice": [False, True]},
            },
            {"name": "adam", "learning_rate": {"float": [1e-4, 3e-2], "log": True}},
        ],
        "prior": "sgd",
    },
    "batch_size": {"int": [32, 256], "step": 32, "prior": 128},
    "units": {"int": [4, 400], "log": True, "prior": 40},
}


def ask(space, sampler, fixed=None):
    """One trial in a study of its own: Optuna's parameters."""
    study = optuna.create_study(sampler=sampler)
    if fixed:
        study.enqueue_trial(fixed)
    trial = study.ask()
    suggest(trial, space)
    return trial.params


def sampler(space, evidence=(), seed=0, level=0, factor=3):
    return PriorSampler(space, evidence, level=level, factor=factor, seed=seed)


def drawn(space, way, count, evidence=(), level=0):
    """Trials that are drawn in one way."""
    found, seed = [], 0
    while len(found) < count:
        one = sampler(space, evidence, seed, level)
        if one.way == way:
            found.append(ask(space, one))
        seed += 1
    return found


def test_priors_and_distributions_are_those_that_optuna_holds():
    space = space_of(MIXED)
    assert priors(space) == {
        "optimizer": "sgd",
        "optimizer.sgd.learning_rate": 0.1,
        "optimizer.sgd.one_minus_momentum": pytest.approx(0.1),
        "batch_size": 128,
        "units": 40,
    }
    suggested = {}
    for label in ("sgd", "adam"):
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        study.enqueue_trial({"optimizer": label})
        trial = study.ask()
        suggest(trial, space)
        suggested |= trial.distributions
    assert optuna_distributions(space) == suggested


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(-1, 3),
        FloatDistribution(1e-4, 1, log=True),
        IntDistribution(1, 7),
        IntDistribution(10, 40, step=10),
        IntDistribution(1, 100, log=True),
    ],
)
def test_a_position_is_where_the_quantile_is(distribution):
    shares = [(index + 0.5) / 100 for index in range(100)]
    positions = [position(distribution, quantile(distribution, share)) for share in shares]
    assert all(0 < where < 1 for where in positions)
    assert positions == sorted(positions)
    for share, where in zip(shares, positions, strict=True):
        assert quantile(distribution, where) == pytest.approx(quantile(distribution, share))
        if isinstance(distribution, FloatDistribution):
            assert where == pytest.approx(share)
    assert position(CategoricalDistribution([1, 2]), 1) == 0.25


LINE = {"x": {"float": [0.0, 1.0], "prior": 0.2}, "y": {"float": [0.0, 1.0], "prior": 0.2}}


def at(*points):
    """Evidence at points of LINE, the best one first."""
    return [Evidence({"x": x, "y": y}, -float(rank)) for rank, (x, y) in enumerate(points)]


def test_a_density_is_relative_to_a_uniform_draw():
    known = optuna_distributions(space_of(LINE)) | {"c": CategoricalDistribution(["a", "b", "c", "d"])}
    steps = [(index + 0.5) / 1000 for index in range(1000)]
    for center in (0.0, 0.2, 0.5, 1.0):
        values = [density(known, {"x": center}, {"x": x}) for x in steps]
        assert fmean(values) == pytest.approx(1, abs=1e-3)
        assert abs(steps[values.index(max(values))] - center) <= 1e-3
    assert [density(known, {"c": "b"}, {"c": each}) for each in "abcd"] == [0.5, 2.5, 0.5, 0.5]
    assert density(known, {}, {"x": 0.1}) == density(known, {"x": 0.1}, {"other": 0.1}) == 1


def test_before_there_is_evidence_no_trial_is_drawn_around_the_incumbent():
    space = space_of(LINE)
    for evidence in ([], at((0.9, 0.9), (0.8, 0.8))):
        assert shares(space, evidence, level=0, factor=3) == (0.5, 0.5, 0.0)
        assert shares(space, evidence, level=2, factor=3) == pytest.approx((0.1, 0.9, 0.0))
        assert {sampler(space, evidence, seed).way for seed in range(40)} == {"random", "prior"}


def test_a_good_prior_divides_with_the_incumbent_what_the_random_draws_leave():
    # Three equal trials at the prior: as likely under the prior as under the incumbent.
    found = shares(space_of(LINE), at(*[(0.2, 0.2)] * 3), level=1, factor=3)
    assert found == pytest.approx((0.25, 0.375, 0.375))


def test_a_bad_prior_loses_its_share_to_the_incumbent_and_to_random_draws():
    space = space_of(LINE)
    distances = [
        shares(space, at((x, x), (x, x - 0.1), (x - 0.1, x)), level=1, factor=3) for x in (0.3, 0.5, 0.7, 0.9, 1.0)
    ]
    for found in distances:
        assert sum(found) == pytest.approx(1)
        assert found.random >= 0.25
    assert [found.prior for found in distances] == sorted((found.prior for found in distances), reverse=True)
    assert distances[0].prior > 0.25
    assert distances[0].random == 0.25
    assert distances[-1].prior < 0.01
    assert distances[-1].random > 0.3


def test_the_order_of_the_evidence_and_worse_trials_do_not_matter():
    space = space_of(LINE)
    evidence = at(*[(0.3 + 0.01 * index, 0.5) for index in range(12)])
    found = shares(space, evidence, level=0, factor=3)
    assert min(found) > 0.01
    assert shares(space, evidence[::-1], level=0, factor=3) == found
    # Of 12 trials the best 4 count.
    others = [*evidence[:4], *(Evidence({"x": 1.0, "y": 1.0}, each.gain) for each in evidence[4:])]
    assert shares(space, others, level=0, factor=3) == found


def test_numbers_are_drawn_around_the_prior_and_choices_prefer_its_option():
    space = space_of(MIXED)
    trials = drawn(space, "prior", 600)
    optimizers = Counter(trial["optimizer"] for trial in trials)
    # Half take it at once, and half of the others by chance.
    assert optimizers["sgd"] / 600 == pytest.approx(0.75, abs=0.05)
    sgd = [trial for trial in trials if trial["optimizer"] == "sgd"]
    adam = [trial for trial in trials if trial["optimizer"] == "adam"]
    known = optuna_distributions(space)
    centers = {
        "optimizer.sgd.learning_rate": (sgd, 2 / 3),
        "optimizer.sgd.one_minus_momentum": (sgd, 2 / 3),
        "units": (trials, 0.5),
        "batch_size": (trials, 0.4375),
    }
    for name, (those, center) in centers.items():
        where = [position(known[name], trial[name]) for trial in those]
        # Truncation draws the mean towards the middle and makes the deviation smaller than 0.25.
        assert fmean(where) == pytest.approx(center, abs=0.06), name
        assert stdev(where) == pytest.approx(0.22, abs=0.03), name
    # What has no prior is uniform.
    rates = [position(known["optimizer.adam.learning_rate"], trial["optimizer.adam.learning_rate"]) for trial in adam]
    assert stdev(rates) == pytest.approx(12**-0.5, abs=0.04)
    assert Counter(trial["optimizer.sgd.nesterov"] for trial in sgd)[True] / len(sgd) == pytest.approx(0.5, abs=0.08)


def test_half_of_the_parameters_of_the_incumbent_are_kept():
    space = space_of(MIXED)
    best = {
        "optimizer": "adam",
        "optimizer.adam.learning_rate": 1e-3,
        "batch_size": 64,
        "units": 300,
    }
    second = {
        "optimizer": "sgd",
        "optimizer.sgd.learning_rate": 0.01,
        "optimizer.sgd.one_minus_momentum": 1.0,
        "optimizer.sgd.nesterov": True,
        "batch_size": 256,
        "units": 4,
    }
    evidence = [Evidence(second, 0.5), Evidence(best, 0.9), Evidence({**best, "units": 250}, 0.8)]
    trials = drawn(space, "incumbent", 400, evidence, level=1)
    assert sum(trial["optimizer"] == "adam" for trial in trials) / 400 == pytest.approx(0.75, abs=0.07)
    sgd = [trial for trial in trials if trial["optimizer"] == "sgd"]
    adam = [trial for trial in trials if trial["optimizer"] == "adam"]
    # Parameters of another branch come from the best trial that has them.
    for name, (those, value) in {
        "optimizer.adam.learning_rate": (adam, 1e-3),
        "units": (trials, 300),
        "optimizer.sgd.learning_rate": (sgd, 0.01),
        "optimizer.sgd.one_minus_momentum": (sgd, 1.0),
    }.items():
        kept = sum(trial[name] == value for trial in those) / len(those)
        assert kept == pytest.approx(0.5, abs=0.1), name
    assert len({trial["units"] for trial in trials}) > 100


def test_the_draws_depend_on_the_arguments_alone_and_each_parameter_on_its_own_seed():
    space = space_of(MIXED)
    evidence = [Evidence(ask(space, sampler(space, seed=seed)), float(seed % 7)) for seed in range(20)]
    first = [ask(space, sampler(space, evidence, seed)) for seed in range(30)]
    assert [ask(space, sampler(space, evidence, seed)) for seed in range(30)] == first
    # The incumbent may be drawn as it is.
    assert len({str(params) for params in first}) > 25
    # After an interruption some of the values are stored: the rest is the same.
    for seed, params in enumerate(first):
        stored = {name: params[name] for name in ("optimizer", "units")}
        assert ask(space, sampler(space, evidence, seed), stored) == params


def test_what_is_drawn_from_the_whole_catalogue_is_valid(tmp_path):
    from hpsearch.config.study import load_study

    file = tmp_path / "study.yaml"
    file.write_text("{}\n")
    spec = load_study(file)
    study = optuna.create_study(direction="maximize")
    ways = Counter()
    for number in range(120):
        one = sampler(spec.space, evidence_of(study.trials, Objective()), number, level=1)
        ways[one.way] += 1
        study.sampler = one
        trial = study.ask()
        spec.config(suggest(trial, spec.space))
        study.tell(trial, 1 - abs(trial.params["batch_size"] / 512 - 0.5))
    assert min(ways.values()) > 10
    assert set(ways) == {"random", "prior", "incumbent"}


def test_only_trials_with_a_result_are_evidence():
    study = optuna.create_study()
    for value, state in [(2.0, "COMPLETE"), (None, "FAIL"), (None, "PRUNED"), (1.0, "COMPLETE")]:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, value, state=optuna.trial.TrialState[state])
    study.ask()
    assert [each.gain for each in evidence_of(study.trials, Objective(metric="val_loss"))] == [-2.0, -1.0]


def search(space, best, seed, trials, *, at_random=False, near=None, level=0):
    """Search the point at which every parameter is `best`.

    Returns:
        The number of trials until all parameters are within `near` of it, and the sampler of each trial.
    """
    evidence, samplers = [], []
    for number in range(trials):
        proposal = 1000 * seed + number
        samplers.append(RandomSampler(seed=proposal) if at_random else sampler(space, evidence, proposal, level))
        params = ask(space, samplers[-1])
        distance = max(abs(value - best) for value in params.values())
        evidence.append(Evidence(params, -distance))
        if near is not None and distance <= near:
            break
    return len(evidence), samplers


@pytest.mark.parametrize("level", [0, 1])
def test_a_bad_prior_is_hardly_used_after_thirty_trials(level):
    space = space_of(LINE)
    after = []
    for seed in range(5):
        _, samplers = search(space, 0.95, seed, 60, level=level)
        before, now = samplers[0].shares, samplers[30].shares
        assert now.prior < 0.25 < before.prior
        assert all(one.shares.random >= before.random for one in samplers)
        after += [one.way for one in samplers[30:]]
    assert after.count("prior") / len(after) < 0.1


def test_a_good_prior_finds_the_best_point_in_fewer_trials_than_random_search():
    space = space_of({name: {"float": [0.0, 1.0], "prior": 0.6} for name in "xyz"})
    found, at_random = (
        [search(space, 0.7, seed, 300, at_random=random, near=0.1)[0] for seed in range(20)] for random in (False, True)
    )
    assert median(found) < 0.5 * median(at_random)
    assert fmean(found) < 0.5 * fmean(at_random)


def test_a_bad_prior_does_not_make_the_search_much_slower_than_random_search():
    space = space_of({name: {"float": [0.0, 1.0], "prior": 0.05} for name in "xyz"})
    found, at_random = (
        [search(space, 0.9, seed, 300, at_random=random, near=0.1)[0] for seed in range(20)] for random in (False, True)
    )
    assert median(found) < 1.2 * median(at_random)
