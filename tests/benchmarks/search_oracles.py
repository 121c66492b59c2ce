"""The search methods that are compared on a pool, one entry of `METHODS` each.

Optuna's samplers and pruners and hpsearch's pruners and sampler view are the real ones, except that each choice is one
of the pool (see `search_choosers`). KerasTuner's oracles are written anew (see `search_keras_tuner`).

A variant of hpsearch with another sampler is one more entry: `Hpsearch` with another object that has the method
`choose(unused, evidence)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from hpsearch.config.trial import TrialConfig
from hpsearch.executors.protocol import Decision
from hpsearch.search.pruning import make_pruner
from hpsearch.search.records import TrialRecord
from hpsearch.search.sampler_view import SamplerView
from hpsearch.training.results import GOOD, WORST, EpochMetrics, Outcome, best_of

from .search_choosers import Chooser, RandomChooser, TpeChooser, ask
from .search_keras_tuner import KerasTunerBayesian, KerasTunerHyperband
from .search_pool import Member, SearchMethod, SearchPool, Unused
from .search_priors import KINDS, PriorChooser, PriorThenTpe, hindsight

# hpsearch's settings of TPE, as in `hpsearch.search.sampling`.
HPSEARCH_TPE: Mapping[str, Any] = {"n_startup_trials": 10, "multivariate": True, "group": True, "constant_liar": True}


class RandomSearch:
    """Trains members to their end, in random order.

    Args:
        pool: to choose from.
        seed: of the order.
    """

    def __init__(self, pool: SearchPool, seed: int) -> None:
        self._unused, self._rng = Unused(pool), np.random.default_rng(seed)

    def ask(self) -> Member | None:
        return self._unused.take_random(self._rng) if self._unused else None

    def report(self, member: Member, epoch: int, value: float) -> Decision:
        return Decision.CONTINUE

    def tell(self, member: Member, outcome: Outcome) -> None:
        """Nothing is learnt."""


class OptunaSearch:
    """A study of Optuna whose objective reports the validation accuracy of each epoch and returns the best one.

    Args:
        pool: to choose from.
        chooser: stands for the sampler.
        pruner: one of Optuna's.
    """

    def __init__(self, pool: SearchPool, chooser: Chooser, pruner: BasePruner) -> None:
        self._unused, self._chooser = Unused(pool), chooser
        self._study = optuna.create_study(direction="maximize", pruner=pruner)
        self._trial: optuna.Trial | None = None
        self._best = -math.inf

    def ask(self) -> Member | None:
        if not self._unused:
            return None
        member = self._unused.take(self._chooser.choose(self._unused.members, self._study))
        self._trial, self._best = ask(self._study, member), -math.inf
        return member

    def report(self, member: Member, epoch: int, value: float) -> Decision:
        assert self._trial
        self._best = max(self._best, value)
        self._trial.report(value, epoch)
        return Decision.PRUNE if self._trial.should_prune() else Decision.CONTINUE

    def tell(self, member: Member, outcome: Outcome) -> None:
        assert self._trial
        if outcome is Outcome.COMPLETED:
            self._study.tell(self._trial, self._best)
        else:
            self._study.tell(self._trial, state=TrialState.PRUNED)


class PoolView(SamplerView):
    """hpsearch's view of a study for its sampler, into which members of a pool are entered as drawn values."""

    @property
    def level(self) -> int:
        """The rung from which the evidence comes."""
        return self._level()

    @property
    def evidence(self) -> optuna.Study:
        """The study that hpsearch would draw from now."""
        return self._studies[self._level()]

    def begin_member(self, number: int, member: Member) -> None:
        """Note that a trial begins or goes on, as `begin_new` and `begin` do."""
        if self._levels.get(number):
            self._drawn[number] = dict(member.params), dict(member.distributions)
        else:
            self._begun(number, self._level(), ask(self.evidence, member))


class Hpsearch:
    """hpsearch with one of its pruners: the coordinator's rules in the order in which it applies them.

    The Keras defaults come first. If the pruner pauses trials, only the default that TrialConfig has is never paused;
    otherwise no default is pruned.

    Args:
        pool: to choose from.
        chooser: stands for the sampler; its evidence is the study that SamplerView would draw from.
        pruner: the section `pruner` of the study file.
    """

    def __init__(self, pool: SearchPool, chooser: Chooser, pruner: Mapping[str, Any]) -> None:
        spec = pool.spec({"sampler": "tpe", "pruner": dict(pruner)})
        self._unused, self._chooser, self._total = Unused(pool), chooser, pool.total
        self._objective = spec.objective
        self._pruner = make_pruner(spec.search, spec.objective, pool.epochs)
        self._view = PoolView(spec, self._pruner.rungs)
        self._waiting = list(pool.defaults)
        usual = TrialConfig().optimizer.selected()
        self._unprunable = {
            member.number
            for member in pool.defaults
            if not self._pruner.rungs or member.params.get("optimizer", usual) == usual
        }
        self._pruner.set_total(self._total, len(self._unprunable) if self._pruner.rungs else 0)
        # The members in the order in which they began, which numbers the trials, and the epochs of each.
        self._begun: list[Member] = []
        self._numbers: dict[int, int] = {}
        self._epochs: list[list[EpochMetrics]] = []

    def ask(self) -> Member | None:
        number = self._pruner.promote(last=False)
        if number is None and (member := self._new()):
            number = self._numbers[member.number] = len(self._begun)
            self._begun.append(member)
            self._epochs.append([])
        if number is None:
            number = self._pruner.promote(last=True)
        if number is None:
            return None
        self._view.begin_member(number, self._begun[number])
        self._pruner.forget(number)
        self._pruner.replay(number, self._epochs[number])
        return self._begun[number]

    def _new(self) -> Member | None:
        if len(self._begun) >= self._total or not self._unused:
            return None
        if self._waiting:
            return self._unused.take(self._waiting.pop(0))
        return self._unused.take(self._chooser.choose(self._unused.members, self._view.evidence, self._view.level))

    def report(self, member: Member, epoch: int, value: float) -> Decision:
        number, decision = self._numbers[member.number], Decision.CONTINUE
        self._epochs[number].append(EpochMetrics(epoch, {self._objective.metric: value}))
        best = max(each.metrics[self._objective.metric] for each in self._epochs[number])
        self._pruner.report(number, epoch, best)
        for rung in self._pruner.reached(number):
            self._view.reached(number, rung, best)
        if member.number not in self._unprunable:
            decision = self._pruner.decide(number, epoch, pausable=True)
        for hopeless in self._pruner.hopeless():
            self._end(hopeless, Outcome.PRUNED)
        return decision

    def tell(self, member: Member, outcome: Outcome) -> None:
        number = self._numbers[member.number]
        if outcome is Outcome.PAUSED:
            self._pruner.pause(number)
            self._view.forget(number)
        else:
            self._end(number, outcome)

    def _end(self, number: int, outcome: Outcome) -> None:
        if outcome in WORST:
            self._pruner.forget(number)
        self._pruner.end(number, completed=outcome in GOOD)
        epochs = tuple(self._epochs[number])
        state = "COMPLETE" if outcome in GOOD else "PRUNED"
        best = best_of(epochs, self._objective) if outcome not in WORST else None
        self._view.end(TrialRecord(number, state, outcome, None, epochs, best))


def _prior_then_tpe(pool: SearchPool, kind: str, seed: int) -> PriorThenTpe:
    return PriorThenTpe(PriorChooser(pool, hindsight(pool, kind, seed), seed), TpeChooser(seed, **HPSEARCH_TPE), seed)


@dataclass(frozen=True)
class Entry:
    """A search method that can be compared.

    Attributes:
        about: what it is, in a sentence for the table.
        make: returns the method for a pool and a seed.
    """

    about: str
    make: Callable[[SearchPool, int], SearchMethod]


METHODS: dict[str, Entry] = {
    "random": Entry("random search; each member is trained to its end", RandomSearch),
    "optuna": Entry(
        "Optuna 5's defaults: TPESampler() and MedianPruner()",
        lambda pool, seed: OptunaSearch(pool, TpeChooser(seed), MedianPruner()),
    ),
    "optuna_halving": Entry(
        "Optuna's TPESampler(multivariate=True, group=True) and SuccessiveHalvingPruner()",
        lambda pool, seed: OptunaSearch(
            pool, TpeChooser(seed, multivariate=True, group=True), SuccessiveHalvingPruner()
        ),
    ),
    "keras_tuner_hyperband": Entry(
        "KerasTuner's Hyperband with factor 3, iterated until the budget is spent", KerasTunerHyperband
    ),
    "keras_tuner_bayesian": Entry(
        "KerasTuner's BayesianOptimization; it begins with 3 random trials for each parameter: more than 20",
        KerasTunerBayesian,
    ),
    "keras_tuner_bayesian_10": Entry(
        "the same with num_initial_points=10, the number of random trials that TPE begins with",
        lambda pool, seed: KerasTunerBayesian(pool, seed, initial_points=10),
    ),
    "former": Entry(
        "hpsearch's former default: the Keras defaults first and never pruned, TPE, pruner asha_stop",
        lambda pool, seed: Hpsearch(pool, TpeChooser(seed, **HPSEARCH_TPE), {"name": "asha_stop"}),
    ),
    "hpsearch": Entry(
        "hpsearch's default: the Keras defaults first, TPE, pruner asha, which pauses and promotes trials",
        lambda pool, seed: Hpsearch(pool, TpeChooser(seed, **HPSEARCH_TPE), {"name": "asha"}),
    ),
    **{
        f"hpsearch_{kind}_prior": Entry(
            f"hpsearch with draws around a {kind} prior before TPE and beside it",
            lambda pool, seed, kind=kind: Hpsearch(pool, _prior_then_tpe(pool, kind, seed), {"name": "asha"}),
        )
        for kind in KINDS
    },
    **{
        f"priorband_{kind}": Entry(
            f"hpsearch with PriorBand's mixture around a {kind} prior in place of TPE",
            lambda pool, seed, kind=kind: Hpsearch(
                pool, PriorChooser(pool, hindsight(pool, kind, seed), seed), {"name": "asha"}
            ),
        )
        for kind in KINDS
    },
    "hpsearch_random": Entry(
        "hpsearch with random search in place of TPE",
        lambda pool, seed: Hpsearch(pool, RandomChooser(seed), {"name": "asha"}),
    ),
}
