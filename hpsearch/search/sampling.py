"""The samplers of studies, and the values that they draw for each trial."""

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

# The number of proposals of the sampler for one trial. If all are rejected, `begin_new` takes another way.
PROPOSALS = 50
# The largest number of configurations of a space that `begin_new` goes through one by one.
MOST_LISTED = 10_000


@dataclass(frozen=True)
class ProposalRequest:
    """What a sampler is made from for one proposal.

    Attributes:
        search: the section `search` of the study file.
        number: the number of the trial.
        attempt: the number of rejected proposals for this trial.
        names: the names of all parameters of the space, those of branches too.
    """

    search: SearchConfig
    number: int
    attempt: int = 0
    names: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """A seed that differs for each trial number and each attempt."""
        return (self.search.seed * 1_000_003 + self.number + self.attempt * 7_368_787) % 2**32


def _tpe(settings: Tpe, request: ProposalRequest) -> BaseSampler:
    # `group`: the parameters of one branch of a conditional space are modelled together.
    return TPESampler(
        n_startup_trials=settings.startup_trials, multivariate=True, group=True, constant_liar=True, seed=request.seed
    )


def _random(_settings: Any, request: ProposalRequest) -> BaseSampler:
    return RandomSampler(seed=request.seed)


def _qmc(settings: QuasiMonteCarlo, request: ProposalRequest) -> BaseSampler:
    # All trials share one sequence. After a rejected proposal, the next attempt uses another sequence.
    seed = replace(request, number=0).seed
    return QuasiRandomSampler(settings, seed, request.number, request.names)


# How each sampler of the study file is made, from its settings and the request. The points of a grid are enqueued, so
# its sampler draws nothing.
SAMPLERS: dict[str, Callable[[Any, ProposalRequest], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
    "grid": _random,
}


def make_sampler(request: ProposalRequest) -> BaseSampler:
    """Return the sampler that draws a proposal.

    Each proposal has a sampler of its own, seeded by the study's seed, the trial's number and the attempt. So the drawn
    values depend only on these and on the trials before, and an interruption of a sequential study changes nothing.

    Raises:
        UnknownNameError: there is no such sampler; the message lists the known ones.
    """
    settings = request.search.sampler
    if settings.name not in SAMPLERS:
        raise UnknownNameError("sampler", settings.name, list(SAMPLERS))
    return SAMPLERS[settings.name](settings, request)


def suggest(trial: BaseTrial, space: Branch) -> dict[str, Any]:
    """Return a configuration that Optuna draws; only parameters of selected branches are drawn."""

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
    """A study as its sampler sees it: an Optuna study in memory, made from the records of the trials.

    The sampler draws here, so it reads nothing from the storage, and a rejected proposal leaves no trial there.

    Args:
        spec: the study file.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._study = optuna.create_study(direction=spec.objective.direction)
        self._names = tuple(dict.fromkeys(node.name for node in distributions(spec.space)))
        # The running trials of the study in memory, by their numbers in the stored study.
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
        """Return all parameters of a stored trial, and draw those that it lacks.

        If the coordinator died while drawing, draw all again except the enqueued ones. If that differs from the stored
        values, because other trials have ended since, keep those and draw the rest.
        """
        enqueued = enqueued_params(trial)
        params = self._draw(trial.number, enqueued if CONFIG not in trial.user_attrs else {**enqueued, **trial.params})
        if any(params.get(name) != value for name, value in trial.params.items()):
            self.forget(trial.number)
            params = self._draw(trial.number, {**enqueued, **trial.params})
        return params

    def _request(self, number: int, attempt: int = 0) -> ProposalRequest:
        return ProposalRequest(self._spec.search, number, attempt, self._names)

    def _draw(self, number: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
        self._study.sampler = make_sampler(self._request(number))
        if fixed:
            self._study.enqueue_trial(dict(fixed))
        drawn = self._study.ask()
        suggest(drawn, self._spec.space)
        self._running[number] = drawn
        return drawn.params

    def begin_new(self, number: int, is_new: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Draw the parameters of a new configuration.

        If `PROPOSALS` proposals of the sampler are rejected, take the first new configuration in the space's order.
        If the space has more than `MOST_LISTED` configurations, make `PROPOSALS` random proposals instead.

        Args:
            number: the number of the coming trial.
            is_new: returns whether a configuration, as `suggest` returns it, may be trained.

        Returns:
            Its parameters as Optuna stores them; None if no new configuration was found.
        """
        space = self._spec.space
        listable = size(space) <= MOST_LISTED
        for attempt in range(PROPOSALS if listable else 2 * PROPOSALS):
            request = self._request(number, attempt)
            at_random = RandomSampler(seed=request.seed)
            self._study.sampler = make_sampler(request) if attempt < PROPOSALS else at_random
            drawn = self._study.ask()
            if is_new(suggest(drawn, space)):
                self._running[number] = drawn
                return drawn.params
            self._study.tell(drawn, state=TrialState.FAIL)
        every = configurations(space) if listable else ()
        found = next((params for params in every if is_new(suggest(FixedTrial(params), space))), None)
        return None if found is None else self._draw(number, found)

    def end(self, record: TrialRecord) -> None:
        """Report the end of a trial to the sampler."""
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
        """Drop a running trial, which will run again."""
        if trial := self._running.pop(number, None):
            # Samplers ignore failed trials.
            self._study.tell(trial, state=TrialState.FAIL)


def last_report(record: TrialRecord, objective: Objective) -> dict[int, float]:
    """Return the best value of a trial under its last epoch with a finite value: what samplers learn of a pruned trial.

    It is empty for a trial that diverged or broke a limit. Samplers rank pruned trials by the epoch of their last
    report, and trials without a report last.
    """
    report: dict[int, float] = {}
    best = None
    for epoch in record.epochs if record.outcome not in WORST else ():
        best = best_after(best, epoch, objective)
        if best and epoch.finite:
            report = {epoch.epoch: best.value}
    return report
