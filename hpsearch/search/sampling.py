"""Optuna's sampler for a study, and a configuration from one of its trials."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, TrialState

from hpsearch.config.distributions import Int
from hpsearch.config.file import Objective, QuasiMonteCarlo, SearchConfig, Tpe
from hpsearch.config.space import Branch, Options, Pick, Ranged, concrete, configurations, distributions, size
from hpsearch.config.study import StudySpec
from hpsearch.errors import UnknownNameError
from hpsearch.search.independent import QuasiRandomSampler
from hpsearch.search.records import CONFIG, TrialRecord, enqueued_params
from hpsearch.training.results import WORST, best_after

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

# How many proposals of the sampler may be turned down for a trial, and how large a space may be to be gone through.
PROPOSALS = 50
MOST_LISTED = 10_000


@dataclass(frozen=True)
class Proposal:
    """A proposal of a configuration, for which a sampler is made.

    Attributes:
        search: the section of the study file.
        number: of the trial.
        attempt: how many proposals for this trial were turned down.
        names: of all parameters of the space, those of its branches too.
    """

    search: SearchConfig
    number: int
    attempt: int = 0
    names: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """A seed that differs for each number of a trial and each attempt."""
        return (self.search.seed * 1_000_003 + self.number + self.attempt * 7_368_787) % 2**32


def _tpe(settings: Tpe, proposal: Proposal) -> BaseSampler:
    # group: parameters of one branch of a conditional space are modelled together.
    return TPESampler(
        n_startup_trials=settings.startup_trials, multivariate=True, group=True, constant_liar=True, seed=proposal.seed
    )


def _random(_settings: Any, proposal: Proposal) -> BaseSampler:
    return RandomSampler(seed=proposal.seed)


def _qmc(settings: QuasiMonteCarlo, proposal: Proposal) -> BaseSampler:
    # One sequence for all trials. The point of a trial that was turned down is taken from another one.
    seed = replace(proposal, number=0).seed
    return QuasiRandomSampler(settings, seed, proposal.number, proposal.names)


# How each sampler of the study file is made, from its settings and the proposal. The points of a grid are enqueued, so
# that its sampler draws nothing.
SAMPLERS: dict[str, Callable[[Any, Proposal], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
    "grid": _random,
}


def make_sampler(proposal: Proposal) -> BaseSampler:
    """Return the sampler that draws a proposal.

    Each trial has a sampler of its own, seeded by study seed and number: what is drawn depends on the number and on
    the trials before it alone, so an interruption of a sequential study changes nothing.

    Raises:
        UnknownNameError: there is no such sampler; the message lists the known ones.
    """
    settings = proposal.search.sampler
    if settings.name not in SAMPLERS:
        raise UnknownNameError("sampler", settings.name, list(SAMPLERS))
    return SAMPLERS[settings.name](settings, proposal)


def suggest(trial: BaseTrial, space: Branch) -> dict[str, Any]:
    """Return one configuration, drawn by Optuna; only parameters on selected branches are drawn."""

    def number(node: Ranged) -> int | float:
        distribution = node.distribution
        if isinstance(distribution, Int):
            return trial.suggest_int(
                node.name, distribution.low, distribution.high, log=distribution.log, step=distribution.step
            )
        x = trial.suggest_float(node.name, distribution.low, distribution.high, log=distribution.log)
        return distribution.value(x)

    def option(node: Options) -> int:
        return node.labels.index(trial.suggest_categorical(node.name, node.labels))

    config: dict[str, Any] = concrete(space, Pick(number, option))
    return config


class SamplerView:
    """A study as its sampler sees it: an Optuna study in memory, made from our record of the epochs.

    The sampler draws here, so it reads nothing from the storage, and no trial remains of a proposal that is turned
    down.

    Args:
        spec: the study file.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._study = optuna.create_study(direction=spec.objective.direction)
        self._names = tuple(dict.fromkeys(node.name for node in distributions(spec.space)))
        # The trials that run, by their numbers in the study.
        self._running: dict[int, optuna.Trial] = {}

    def load(self, trials: Iterable[FrozenTrial], records: Iterable[TrialRecord]) -> None:
        """Add the trials that ended in earlier runs."""
        for trial, record in zip(trials, records, strict=True):
            if not trial.state.is_finished():
                continue
            report = last_report(record, self._spec.objective)
            completed = trial.state == TrialState.COMPLETE
            self._study.add_trial(
                optuna.trial.create_trial(
                    state=trial.state,
                    value=trial.value if completed else None,
                    params=trial.params,
                    distributions=trial.distributions,
                    intermediate_values=report if trial.state == TrialState.PRUNED else {},
                )
            )

    def begin(self, trial: FrozenTrial) -> dict[str, Any]:
        """Draw those parameters of a stored trial with which it was not enqueued; return all of its parameters.

        What was drawn for it already is kept. Where its coordinator died while it drew them, all are drawn again,
        which gives the same values unless other trials have ended since.
        """
        enqueued = enqueued_params(trial)
        params = self._draw(trial.number, enqueued if CONFIG not in trial.user_attrs else {**enqueued, **trial.params})
        if any(params.get(name) != value for name, value in trial.params.items()):
            self.forget(trial.number)
            params = self._draw(trial.number, {**enqueued, **trial.params})
        return params

    def _proposal(self, number: int, attempt: int = 0) -> Proposal:
        return Proposal(self._spec.search, number, attempt, self._names)

    def _draw(self, number: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
        self._study.sampler = make_sampler(self._proposal(number))
        if fixed:
            self._study.enqueue_trial(dict(fixed))
        drawn = self._study.ask()
        suggest(drawn, self._spec.space)
        self._running[number] = drawn
        return drawn.params

    def begin_new(self, number: int, is_new: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Draw the parameters of a configuration that was not trained.

        After `PROPOSALS` of the sampler the first new configuration of the whole space is taken; where the space has no
        end or is too large to be gone through, as many more are drawn at random.

        Args:
            number: of the coming trial.
            is_new: whether a configuration, given as the space yields it, may be trained.

        Returns:
            Its parameters as Optuna holds them; None: nothing new was found.
        """
        space = self._spec.space
        finite = size(space) <= MOST_LISTED
        for attempt in range(PROPOSALS if finite else 2 * PROPOSALS):
            proposal = self._proposal(number, attempt)
            by_chance = RandomSampler(seed=proposal.seed)
            self._study.sampler = make_sampler(proposal) if attempt < PROPOSALS else by_chance
            drawn = self._study.ask()
            if is_new(suggest(drawn, space)):
                self._running[number] = drawn
                return drawn.params
            self._study.tell(drawn, state=TrialState.FAIL)
        every = configurations(space) if finite else ()
        found = next((params for params in every if is_new(suggest(FixedTrial(params), space))), None)
        return None if found is None else self._draw(number, found)

    def end(self, record: TrialRecord) -> None:
        """Take in how a trial ended."""
        trial = self._running.pop(record.number, None)
        if trial is None:
            return
        if record.state == "COMPLETE" and record.best:
            self._study.tell(trial, record.best.value)
            return
        for epoch, value in last_report(record, self._spec.objective).items():
            trial.report(value, epoch)
        self._study.tell(trial, state=TrialState[record.state])

    def forget(self, number: int) -> None:
        """Take back a trial that is to be run again."""
        if trial := self._running.pop(number, None):
            # Samplers pass over failed trials.
            self._study.tell(trial, state=TrialState.FAIL)


def last_report(record: TrialRecord, objective: Objective) -> dict[int, float]:
    """Return the best value of a pruned trial by the epoch that it reached.

    Samplers rank pruned trials by their last epoch, and a trial without a report last: one that diverged or broke
    a limit has none.
    """
    report: dict[int, float] = {}
    best = None
    for epoch in record.epochs if record.outcome not in WORST else ():
        best = best_after(best, epoch, objective)
        if best and epoch.finite:
            report = {epoch.epoch: best.value}
    return report
