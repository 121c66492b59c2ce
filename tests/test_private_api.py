"""The private names of other libraries that CONTRIBUTING lists: each is still there, and does what we rely on."""

from __future__ import annotations

import inspect
import multiprocessing.process
import sqlite3

import optuna


def test_optuna_keeps_the_parameters_of_an_enqueued_trial_under_the_name_that_we_read():
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.25})
    attrs = study.get_trials()[0].system_attrs
    assert attrs.get("fixed_params") == {"x": 0.25}, f"Optuna keeps enqueued parameters elsewhere now: {attrs}"


def test_multiprocessing_keeps_the_children_that_it_collects_in_a_set():
    children = getattr(multiprocessing.process, "_children", None)
    assert isinstance(children, set), "multiprocessing keeps its children elsewhere now, or no longer collects them"


def test_tensorflow_numbers_its_functions_by_a_counter_that_can_be_replaced():
    from tensorflow.python.framework import ops

    uid = getattr(ops, "uid", None)
    assert callable(uid), "TensorFlow numbers its functions by another counter now: XLA's cache on disk finds nothing"
    first = uid()
    assert uid() == first + 1, "TensorFlow's counter of functions no longer counts by one"


def test_keras_reads_an_optimizers_numbers_from_its_attributes_when_a_step_is_traced():
    import keras

    for name, knob in (("SGD", "momentum"), ("RMSprop", "rho"), ("Adam", "beta_1"), ("Adam", "epsilon")):
        optimizer = getattr(keras.optimizers, name)(**{knob: 0.5})
        assert vars(optimizer).get(knob) == 0.5, f"keras.optimizers.{name} keeps `{knob}` elsewhere now"
        source = inspect.getsource(type(optimizer).update_step)
        assert f"self.{knob}" in source, f"keras.optimizers.{name}.update_step no longer reads self.{knob}"


def test_mlflow_has_the_tables_and_the_calls_that_read_the_histories_of_many_runs(tmp_path):
    from mlflow import MlflowClient
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    assert callable(get_default_host_creds)
    assert callable(verify_rest_response)
    assert "host_creds" in inspect.signature(http_request).parameters, "MLflow's http_request takes other arguments now"
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_experiments()
    wanted = {
        "metrics": {"run_uuid", "key", "step", "value", "is_nan"},
        "experiments": {"name", "lifecycle_stage", "artifact_location", "creation_time", "last_update_time"},
    }
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        for table, columns in wanted.items():
            found = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            assert columns <= found, f"MLflow's table {table} has other columns now: {sorted(found)}"
