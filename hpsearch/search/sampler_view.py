"""SamplerView: a study as its sampler sees it, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from hpsearch.config.file import Objective
from hpsearch.config.space import configurations, distributions, size
from hpsearch.config.study import StudySpec
from hpsearch.search.forest import Observation
from hpsearch.search.priors import FACTOR, evidence_of
from hpsearch.search.records import CONFIG, END, FINISHED, TrialRecord, enqueued_params, rungs_of
from hpsearch.search.sampling import EVOLUTIONARY, ProposalRequest, make_sampler, suggest
from hpsearch.training.results import GOOD, WORST, best_after, best_of

# The number of proposals of the sampler for one trial. If all are rejected, `begin_new` takes another way.
PROPOSALS = 50
# The largest number of configurations of a space that `begin_new` goes through one by one.
MOST_LISTED = 10_000
# No parameter is fixed.
NOTHING: Mapping[str, Any] = MappingProxyType({})


class SamplerView:
    """A study as its sampler sees it: Optuna studies in memory, made from the records of the trials.

    The sampler draws here, so it reads nothing from the storage, and a rejected proposal leaves no trial there.

    If the pruner has rungs, there is a study for each of them and one for the end of the trials. A trial counts in each
    study that it has reached, as complete, with its best value so far; a trial that has trained to its end counts in
    all of them. A proposal is drawn in the study of the highest rung with enough trials, as in BOHB (Falkner et al.
    2018, arXiv:1807.01774, section 3.2), so paused trials are evidence and not failures. Without rungs there is one
    study, and a pruned trial is reported as Optuna does.

    Args:
        spec: the study file.
        rungs: the epochs of the pruner's rungs, in increasing order.
    """

    def __init__(self, spec: StudySpec, rungs: Sequence[int] = ()) -> None:
        self._spec, self._rungs = spec, rungs
        self._studies = [optuna.create_study(direction=spec.objective.direction) for _ in range(len(rungs) + 1)]
        self._sizes = [0] * len(self._studies)
        self._names = tuple(dict.fromkeys(node.name for node in distributions(spec.space)))
        # Running trials by their numbers in the stored study: the index of the study in memory in which each was drawn,
        # and its trial there; and each one's parameters and distributions.
        self._running: dict[int, tuple[int, optuna.Trial]] = {}
        self._drawn: dict[int, tuple[dict[str, Any], dict[str, BaseDistribution]]] = {}
        # In how many of the studies each unfinished trial counts.
        self._levels: dict[int, int] = {}
        self._observations: list[Observation] = []
        self._evolutionary = spec.search.sampler.name in EVOLUTIONARY

    def load(self, trials: Iterable[FrozenTrial], records: Iterable[TrialRecord]) -> None:
        """Add the trials of earlier runs, in the order in which they ended or reached a rung.

        An evolutionary sampler draws each of them again, with its stored parameters, before its result is reported:
        this is the order of one worker. If several trials ran at once, generations may be others than before.
        """
        if self._rungs:
            self._load_rungs(trials, list(records))
        else:
            self._load_ended(trials, records)

    def _load_ended(self, trials: Iterable[FrozenTrial], records: Iterable[TrialRecord]) -> None:
        """Load the trials that have ended into the only study."""
        ended = [pair for pair in zip(trials, records, strict=True) if pair[0].state.is_finished()]
        if self._evolutionary:
            ended.sort(key=lambda pair: (pair[0].datetime_complete, pair[1].number))
        for trial, record in ended:
            if not self._evolutionary:
                self._studies[0].add_trial(seen := _ended(trial, record, trial.value, self._spec.objective))
                self._observe_end(record, seen)
            elif record.state != TrialState.FAIL.name:
                self._draw(record.number, trial.params)
                self.end(record)

    def _load_rungs(self, trials: Iterable[FrozenTrial], records: Sequence[TrialRecord]) -> None:
        """Load what trials have reached, in the recorded order."""
        steps: list[tuple[int, int, int, float | None]] = []
        rungs_by_number = {record.number: record.rungs for record in records}
        self._levels = {
            record.number: len(rungs_by_number[record.continues]) for record in records if record.continues is not None
        }
        for trial, record in zip(trials, records, strict=True):
            number, order = record.number, 0
            self._drawn[number] = trial.params, trial.distributions
            for level, epoch in enumerate(self._rungs, start=1):
                if epoch in record.rungs and (best := best_of(record.epochs[:epoch], self._spec.objective)):
                    order = record.rungs[epoch]
                    steps.append((order, number, level, best.value))
            if record.outcome in GOOD | WORST:
                steps.append((record.rungs.get(END, order), number, len(self._studies), _value(record)))
        for _, number, level, value in sorted(steps, key=lambda step: step[:3]):
            if self._evolutionary and number not in self._levels:
                self._draw(number, self._drawn[number][0])
            self._count(number, value, level)
        for record in records:
            self._drawn.pop(record.number)
            if record.state in FINISHED:
                self._levels.pop(record.number, None)

    def begin(self, trial: FrozenTrial, fixed: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
        """Return all parameters of a stored trial, and draw those that it lacks.

        If the coordinator died while drawing, draw all that were not enqueued again. If a new value differs from a
        stored one, because other trials have ended since, keep the stored values and draw only the missing ones.

        Args:
            fixed: parameters that are not drawn, where the trial lacks them.
        """
        enqueued = {**fixed, **enqueued_params(trial)}
        if rungs := rungs_of(trial):
            # It, or the trial that it takes over, counts already, and must not count as a running trial, too.
            known = FixedTrial({**enqueued, **trial.params})
            suggest(known, self._spec.space)
            self._drawn[trial.number] = known.params, known.distributions
            self._levels.setdefault(trial.number, len(rungs))
            return known.params
        params = self._draw(trial.number, enqueued if CONFIG not in trial.user_attrs else {**enqueued, **trial.params})
        if any(params.get(name) != value for name, value in trial.params.items()):
            self.forget(trial.number)
            params = self._draw(trial.number, {**enqueued, **trial.params})
        return params

    def _request(self, number: int, attempt: int = 0) -> ProposalRequest:
        level, objective = self._level(), self._spec.objective
        return ProposalRequest(
            self._spec.search,
            number,
            attempt,
            self._names,
            self._spec.space,
            lambda: self._observations,
            level,
            lambda: evidence_of(self._studies[level].get_trials(deepcopy=False), objective),
        )

    def _level(self) -> int:
        """Return the highest level with enough trials to learn from; the lowest if none has.

        An evolutionary sampler always has the lowest: its generations consist of trials that were drawn there.
        """
        if self._evolutionary:
            return 0
        enough = getattr(self._spec.search.sampler, "startup_trials", FACTOR)
        return max((level for level, size in enumerate(self._sizes) if size >= enough), default=0)

    def _draw(self, number: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
        level = self._level()
        study = self._studies[level]
        study.sampler = make_sampler(self._request(number))
        if fixed:
            study.enqueue_trial(dict(fixed))
        drawn = study.ask()
        if self._evolutionary:
            # Optuna calls the sampler when it needs a value, and all values may be given. The sampler gives the trial
            # its generation then.
            _ = drawn.relative_params
        suggest(drawn, self._spec.space)
        return self._begun(number, level, drawn)

    def _begun(self, number: int, level: int, drawn: optuna.Trial) -> dict[str, Any]:
        self._running[number] = level, drawn
        self._drawn[number] = drawn.params, drawn.distributions
        return drawn.params

    def begin_new(
        self, number: int, is_new: Callable[[dict[str, Any]], bool], fixed: Mapping[str, Any] = NOTHING
    ) -> dict[str, Any] | None:
        """Draw the parameters of a new configuration.

        If `PROPOSALS` proposals of the sampler are rejected, take the first new configuration in the space's order.
        If the space has more than `MOST_LISTED` configurations, make `PROPOSALS` random proposals instead.

        Args:
            number: the number of the coming trial.
            is_new: returns whether a configuration, as `suggest` returns it, may be trained.
            fixed: parameters that are not drawn.

        Returns:
            Its parameters as Optuna stores them; None if no new configuration was found.
        """
        space, level = self._spec.space, self._level()
        study, listable = self._studies[level], size(space) <= MOST_LISTED
        for attempt in range(PROPOSALS if listable else 2 * PROPOSALS):
            request = self._request(number, attempt)
            at_random = RandomSampler(seed=request.seed)
            study.sampler = make_sampler(request) if attempt < PROPOSALS else at_random
            if fixed:
                study.enqueue_trial(dict(fixed))
            drawn = study.ask()
            if is_new(suggest(drawn, space)):
                return self._begun(number, level, drawn)
            study.tell(drawn, state=TrialState.FAIL)
        every = (params for params in configurations(space) if fixed.items() <= params.items()) if listable else ()
        found = next((params for params in every if is_new(suggest(FixedTrial(params), space))), None)
        return None if found is None else self._draw(number, found)

    def reached(self, number: int, epoch: int, value: float) -> None:
        """Report that a running trial has reached the rung of an epoch, and its best value so far."""
        self._count(number, value, self._rungs.index(epoch) + 1)

    def end(self, record: TrialRecord) -> None:
        """Report the end of a trial to the sampler."""
        if self._rungs and record.outcome in GOOD | WORST:
            self._count(record.number, _value(record), len(self._studies))
        elif not self._rungs and record.number in self._running:
            _, trial = self._running.pop(record.number)
            ended = _ended(trial, record, _value(record), self._spec.objective)
            for epoch, value in ended.intermediate_values.items():
                trial.report(value, epoch)
            self._studies[0].tell(trial, ended.value, state=ended.state)
            self._observe_end(record, ended)
        self.forget(record.number)
        self._levels.pop(record.number, None)

    def forget(self, number: int) -> None:
        """Drop a running trial, which is paused or will run again."""
        self._drawn.pop(number, None)
        if number in self._running:
            level, trial = self._running.pop(number)
            # Samplers ignore failed trials.
            self._studies[level].tell(trial, state=TrialState.FAIL)

    def _count(self, number: int, value: float | None, levels: int) -> None:
        """Count a trial in the first `levels` studies; without a value it ranks last there."""
        params, distributions = self._drawn[number]
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        for level in range(self._levels.get(number, 0), levels):
            study, running = self._studies[level], self._running.get(number)
            if running and running[0] == level:
                del self._running[number]
                study.tell(running[1], value, state=state)
            else:
                study.add_trial(
                    optuna.trial.create_trial(state=state, value=value, params=params, distributions=distributions)
                )
            self._sizes[level] += 1
            epoch = self._rungs[level] if level < len(self._rungs) else self._spec.longest or 1
            self._observe(number, params, epoch, value)
        self._levels[number] = max(levels, self._levels.get(number, 0))

    def _observe_end(self, record: TrialRecord, ended: FrozenTrial) -> None:
        """Add the result of a trial of a study without rungs: its best value under its last epoch."""
        longest = self._spec.longest or max(1, len(record.epochs))
        if ended.state == TrialState.COMPLETE:
            self._observe(record.number, ended.params, longest, ended.value)
        elif ended.state == TrialState.PRUNED:
            for epoch, value in ended.intermediate_values.items() or ((longest, None),):
                self._observe(record.number, ended.params, epoch, value)

    def _observe(self, number: int, params: Mapping[str, Any], epoch: int, value: float | None) -> None:
        gain = None if value is None else self._spec.objective.gain(value)
        self._observations.append(Observation(number, params, epoch, gain))


def _value(record: TrialRecord) -> float | None:
    """Return the best value of a trial; None if it diverged or broke a limit, so that it ranks last."""
    return record.best.value if record.best and record.outcome not in WORST else None


def _ended(
    trial: FrozenTrial | optuna.Trial, record: TrialRecord, value: float | None, objective: Objective
) -> FrozenTrial:
    """Return a trial that has ended, as samplers see it in a study without rungs."""
    return optuna.trial.create_trial(
        state=TrialState[record.state],
        value=value if record.state == "COMPLETE" else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=last_report(record, objective) if record.state == "PRUNED" else {},
    )


def last_report(record: TrialRecord, objective: Objective) -> dict[int, float]:
    """Return `{epoch: value}`: the last epoch with finite losses, and the best value up to it.

    This is what samplers learn of a pruned trial. It is empty for a trial that diverged or broke a limit. Samplers rank
    pruned trials by the epoch of their last report, and trials without a report last.
    """
    report: dict[int, float] = {}
    best = None
    for epoch in record.epochs if record.outcome not in WORST else ():
        best = best_after(best, epoch, objective)
        if best and epoch.finite:
            report = {epoch.epoch: best.value}
    return report
