"""The finalists of a study: its best trials, trained again with new seeds; then one evaluation on the test set.

A trial's score is the best of many on the same validation images, with one seed: it is optimistic. So the best few
are trained again, each with the same new seeds, and the best mean wins. The Keras default of the winner's model is
trained with these seeds, too. The winner and the default are then trained on all training images for the epochs that
validation chose, and only these models are evaluated on the test images. Each step is recorded, so after an
interruption the next run does the next step.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice
from typing import Any

from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.file import Finalists, Objective
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig, TrialConfig, with_seed, without_validation
from hpsearch.executors.protocol import Executor, Job, TrialEnded
from hpsearch.search.contents import Contents
from hpsearch.search.coordinator import Coordinator
from hpsearch.search.home import Home
from hpsearch.search.listeners import Listener
from hpsearch.search.records import FINISHED, TrialRecord, most_typical, ranked, rates_of
from hpsearch.search.runner import run_job
from hpsearch.search.stages import (
    READINGS,
    SEEDS,
    Finalist,
    Finals,
    PlannedTraining,
    Stage,
    TestResult,
    open_stage,
    plan,
    read_finals,
    stage_spec,
)
from hpsearch.search.stop import Stop
from hpsearch.search.storage import StoredStudy
from hpsearch.training.results import CONFUSION, TEST, TEST_EXAMPLES, Outcome

# The objective of a training on all images: nothing is held out, so the loss is recorded.
FINAL_OBJECTIVE = Objective(metric="loss")
# New seeds begin here, far from those of trials (`search.seed` + number).
FIRST_SEED = 2**31


@dataclass(frozen=True)
class FinalStages:
    """Runs the stages after the search: the finalists, the final trainings, and the reading of the test set.

    Attributes:
        study: the study, whose search is complete.
        spec: the study file, with the section `finalists`.
        text: the study file as it is run.
        home: the home folder, for checkpoints and models.
        executor: runs the trainings; closed by the caller.
        listeners: returns the listeners of a stage.
        stop: says whether the user asks to stop; checked between the steps.
        workers: the number of trainings that run at once.
        report: called with one line for each message.
        contents: digests of the user's own data and modules.
    """

    study: StoredStudy
    spec: StudySpec
    text: str
    home: Home
    executor: Executor
    listeners: Callable[[Stage], Sequence[Listener]]
    stop: Stop
    workers: int
    report: Callable[[str], None]
    contents: Contents

    def run(self) -> None:
        """Train and evaluate what is missing, unless the user stops it."""
        wanted = self.spec.file.finalists or Finalists()
        finalists = choose_finalists(self.study.records(), self.study.objective, wanted.top)
        if not finalists:
            return
        stage = open_stage(self.study, Stage.FINALISTS, self.study.objective)
        seeds = _seeds(stage, self.study.records(), self.spec.search.seed, wanted.seeds)
        again = [_seeded(record.number, record.config, seeds) for record in finalists if record.config]
        if not self._train(Stage.FINALISTS, stage, [training for some in again for training in some]):
            return
        winner = self._finals().winner
        if winner is None:
            self.report("no finalist trained well with every seed, so there is no winner")
        elif isinstance(winner.config, TrialConfig) and winner.trial is not None:
            default = keras_default(winner.config, self.study.objective)
            if self._train(Stage.FINALISTS, stage, _seeded(None, default, seeds)):
                self._test(winner)

    def _test(self, winner: Finalist) -> None:
        """Train the winner and the default on all training images, and read the test set.

        It is not read if an earlier reading has results or was for another winner.
        """
        finals = self._finals()
        if finals.readings and finals.readings[0].winner != winner.trial:
            self.report(
                f"the test set was read before, for trial {finals.readings[0].winner}, and not a second time "
                f"for trial {winner.trial}, which has won since; a study of another name may read it"
            )
            return
        if finals.reading:
            return
        stage = open_stage(self.study, Stage.FINAL, FINAL_OBJECTIVE)
        finalists = [winner, *([finals.default] if finals.default and finals.default.values else [])]
        trainings = [t for each in finalists for t in _seeded(each.trial, retrain_config(each), finals.seeds)]
        if not self._train(Stage.FINAL, stage, trainings):
            return
        keys = {training.key for training in trainings}
        records = [r for r in stage.records() if r.good and r.config and PlannedTraining(r.of, r.config).key in keys]
        if any(record.of == winner.trial for record in records):
            self._read(winner, records)

    def _train(self, stage: Stage, study: StoredStudy, trainings: Sequence[PlannedTraining]) -> bool:
        """Run the trainings that the stage lacks; return whether all trainings of the stage have ended."""
        total = plan(study, trainings)
        if all(trial.state.is_finished() for trial in study.optuna.get_trials(deepcopy=False)):
            return True
        Coordinator(
            study,
            stage_spec(self.spec, study.objective),
            self.executor,
            lambda: self.listeners(stage),
            total=total,
            stop=self.stop,
            checkpoints=self.home.checkpoints_folder(self.study.name, stage.value),
            models=self.home.models_folder(self.study.name, stage.value),
            stage=stage,
            contents=self.contents,
        ).run(self.text, self.workers)
        return all(record.state in FINISHED for record in study.records())

    def _read(self, winner: Finalist, records: Sequence[TrialRecord]) -> None:
        """Read the test set. The reading is recorded before it begins, so no reading can be unrecorded."""
        folder = self.home.models_folder(self.study.name, Stage.FINAL.value)
        config = records[0].config
        assert isinstance(config, TrialConfig)
        line: dict[str, Any] = {
            "when": datetime.now().astimezone().isoformat(timespec="seconds"),
            "by": f"process {os.getpid()} on {socket.gethostname()}",
            "winner": winner.trial,
            "dataset": config.data.dataset,
            "digest": self._digest(config),
        }
        before = self.study.optuna.user_attrs.get(READINGS, [])
        self.study.optuna.set_user_attr(READINGS, [*before, line])
        models = tuple(str(folder / f"{record.number}.keras") for record in records)
        self.report(f"reading the test set, once, for {len(models)} models ...")
        objective = FINAL_OBJECTIVE.model_dump(mode="json")
        data, sources = self.contents.for_config(config).get("data", ""), self.contents.expected_sources()
        job = Job(0, config.plain(), objective, models_to_test=models, data_digest=data, source_digests=sources)
        info = self._evaluate(job)
        if info is None:
            return
        results = [
            TestResult(record.number, record.of, _seed_of(record), tested["accuracy"], *_rest(tested))
            for record, tested in zip(records, info[TEST], strict=True)
        ]
        line |= {"examples": info[TEST_EXAMPLES], "figures": [vars(result) for result in results]}
        self.study.optuna.set_user_attr(READINGS, [*before, line])

    def _digest(self, config: TrialConfig) -> str:
        """Return the digest of the dataset; empty if it is not known."""
        name = config.data.dataset
        return DATASETS[name].digest if name in DATASETS else self.contents.data.get(name, "")

    def _evaluate(self, job: Job) -> Any:
        """Return what a worker reports of a job; None if the job failed, or if the user stopped the run."""
        end = run_job(self.executor, job, lambda: self.stop.asked)
        if isinstance(end, TrialEnded) and end.outcome is Outcome.COMPLETED:
            return end.info
        if end is not None:
            self.report(f"the final models could not be evaluated: {end.detail}")
        return None

    def _finals(self) -> Finals:
        found = read_finals(self.study)
        assert found is not None
        return found


def _seed_of(record: TrialRecord) -> int:
    return (record.config.seed if record.config else None) or 0


def _rest(tested: dict[str, Any]) -> tuple[tuple[tuple[int, ...], ...], str]:
    return tuple(map(tuple, tested[CONFUSION])), tested["hits"]


def choose_finalists(records: Sequence[TrialRecord], objective: Objective, top: int) -> list[TrialRecord]:
    """Return the best trials that ended well, best first; of trials that differ only in the seed, the best."""
    distinct: dict[str, TrialRecord] = {}
    for record in ranked(records, objective):
        if record.config:
            distinct.setdefault(json.dumps(with_seed(record.config, None).plain(), sort_keys=True), record)
    return list(distinct.values())[:top]


def _seeds(stage: StoredStudy, records: Sequence[TrialRecord], first: int, wanted: int) -> list[int]:
    """Return the seeds of the finalists: those of the stage so far, and new ones that no trial of the search has."""
    seeds: list[int] = stage.optuna.user_attrs.get(SEEDS, [])
    if len(seeds) < wanted:
        taken = {*seeds, *(record.config.seed for record in records if record.config)}
        seeds = [*seeds, *islice(_untaken(taken, FIRST_SEED + first), wanted - len(seeds))]
        stage.optuna.set_user_attr(SEEDS, seeds)
    return seeds[:wanted]


def _untaken(taken: set[Any], first: int) -> Iterator[int]:
    return (seed for seed in (number % 2**32 for number in count(first)) if seed not in taken)


def _seeded(of: int | None, config: AnyConfig, seeds: Sequence[int]) -> list[PlannedTraining]:
    return [PlannedTraining(of, with_seed(config, seed)) for seed in seeds]


def keras_default(config: TrialConfig, objective: Objective) -> TrialConfig:
    """Return the untuned configuration: the same model and data, everything else at the defaults of Keras.

    This is Adam at 0.001, batches of 32 and cross-entropy. For the catalogue's datasets, pixels are in [0, 1]; a user's
    own dataset keeps its normalization. Epochs and early stopping are those of `config`, so that both may train for
    equally long. If the objective is `loss` or `val_loss`, the loss of `config` is kept, since the values of different
    losses cannot be compared; if it is `loss`, so are the class weights, which are part of it.
    """
    in_catalogue = config.data.dataset in DATASETS
    data = config.data.model_copy(update={"normalization": "rescale"}) if in_catalogue else config.data
    terms = config.loss_terms(objective.metric)
    class_weight = config.training.class_weight if "training.class_weight" in terms else None
    untuned = {"class_weight": class_weight, "callbacks": (), "gradient_noise": False}
    training = config.training.model_copy(update=untuned)
    examples = data.training_examples
    return TrialConfig(
        data=data,
        model=config.model,
        **({"loss": config.loss} if terms else {}),
        batch_size=min(32, examples or 32),
        training=training,
        seed=config.seed,
    )


def retrain_config(finalist: Finalist) -> TrialConfig:
    """Return a finalist's configuration for a training on all images; it has no seed.

    The training has as many epochs as the median of the finalist's best epochs. A schedule that depends on validation
    metrics is replaced by the learning rates of a typical training.
    """
    config = finalist.config
    assert isinstance(config, TrialConfig)
    before = most_typical(finalist.runs, finalist.epochs)
    return without_validation(config, finalist.epochs, rates_of(before) if before else [])


def is_finished(study: StoredStudy, spec: StudySpec) -> bool:
    """Return whether the stages after the search are complete."""
    wanted = spec.file.finalists
    if wanted is None:
        return True
    finalists = choose_finalists(study.records(), study.objective, wanted.top)
    finals = read_finals(study)
    if not finalists:
        return True
    if finals is None:
        return False
    has = {finalist.trial: len(finalist.runs) for finalist in finals.finalists}
    if any(has.get(record.number, 0) < wanted.seeds for record in finalists):
        return False
    ended = all(run.state in FINISHED for finalist in finals.finalists for run in finalist.runs)
    if not ended or finals.winner is None or spec.trainable:
        return ended
    if finals.reading or (finals.readings and finals.readings[0].winner != finals.winner.trial):
        return True
    # The winner may diverge in each of its final trainings: then there is no model to test.
    last = [record for record in finals.final if record.of == finals.winner.trial]
    return bool(last) and all(record.state in FINISHED and not record.good for record in last)
