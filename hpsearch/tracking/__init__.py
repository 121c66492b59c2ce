"""MLflow: the runs of a study, written, checked, deleted and browsed.

target        the MLflow that takes the runs; client: MLflow's client on it
run_states    the runs that MLflow should hold of a study; study_run: the study's own run; names: names in MLflow
runs          the runs that MLflow holds, and how they differ from the desired ones
writer        makes MLflow equal to the desired runs
listener      writes a running study; training_runs: the trainings of `hpsearch train`
logged_models the finalists' models and the model registry
consistency   `hpsearch doctor`: the writer's dry run and the repair
run_deletion  `hpsearch delete`: the runs of a study deleted
ui            the MLflow UI as a process of its own; view_state: the views of its runs page
"""
