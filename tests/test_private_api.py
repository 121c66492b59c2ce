"""The private names of other libraries that CONTRIBUTING lists: each is still there, and does what we rely on."""

from __future__ import annotations

import ast
import inspect
import multiprocessing.process
from pathlib import Path

import optuna

ROOT = Path(__file__).parents[1]
# Of Python's own: documented names that begin with an underscore.
DOCUMENTED = {"_replace", "_exit"}


def test_every_private_name_of_another_library_is_in_the_table():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Private API")[2]
    for path in sorted((ROOT / "hpsearch").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("hpsearch"):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED:
                    assert name in table, f"{path}:{node.lineno} uses {name}, which CONTRIBUTING does not list"


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


def test_keras_keeps_averages_of_weights_and_sums_gradients_under_the_names_that_we_use():
    import keras

    optimizer = keras.optimizers.SGD(use_ema=True)
    weight = keras.Variable([1.0, 2.0])
    optimizer.build([weight])
    assert optimizer._trainable_variables == [weight], "Keras keeps the variables of an optimizer elsewhere now"
    (average,) = optimizer._model_variables_moving_average
    assert tuple(average.shape) == (2,), "Keras keeps the averages of weights elsewhere now"
    sums = getattr(optimizer, "_all_reduce_sum_gradients", None)
    assert callable(sums), "Keras sums the gradients of replicas by another method now"
    assert callable(optimizer.finalize_variable_values), "Keras writes averaged weights back by another method now"


def test_mlflow_reads_one_metric_of_many_runs_at_once(tmp_path):
    from mlflow import MlflowClient
    from mlflow.tracking._tracking_service.utils import _get_store
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    assert callable(get_default_host_creds)
    assert callable(verify_rest_response)
    assert "host_creds" in inspect.signature(http_request).parameters, "MLflow's http_request takes other arguments now"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    runs = [client.create_run("0").info.run_id for _ in range(2)]
    for step, run in enumerate(runs):
        client.log_metric(run, "loss", 0.5, step=step)
    values = _get_store(uri).get_metric_history_bulk(runs, "loss", 10)
    found = {(value.run_id, value.step, value.value) for value in values}
    assert found == {(run, step, 0.5) for step, run in enumerate(runs)}, f"MLflow's store returns {values}"


def test_mlflow_makes_its_default_experiment_where_the_variable_says(tmp_path, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.tracking._tracking_service.utils import _get_store

    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", str(tmp_path / "artifacts"))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    location = client.get_experiment("0").artifact_location
    assert location == f"{tmp_path}/artifacts/0", "MLflow reads the place of artifacts from another variable now"
    client.delete_experiment("0")
    _get_store(uri)._hard_delete_experiment("0")
    assert client.get_experiment_by_name("Default") is None, "MLflow no longer deletes an experiment for good"
