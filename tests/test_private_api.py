"""The private names of other libraries that CONTRIBUTING lists: each is still there, and does what we rely on."""

from __future__ import annotations

import multiprocessing.process

import optuna


def test_optuna_keeps_the_parameters_of_an_enqueued_trial_under_the_name_that_we_read():
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.25})
    attrs = study.get_trials()[0].system_attrs
    assert attrs.get("fixed_params") == {"x": 0.25}, f"Optuna keeps enqueued parameters elsewhere now: {attrs}"


def test_multiprocessing_keeps_the_children_that_it_collects_in_a_set():
    children = getattr(multiprocessing.process, "_children", None)
    assert isinstance(children, set), "multiprocessing keeps its children elsewhere now, or no longer collects them"
