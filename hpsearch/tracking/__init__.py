"""MLflow: the runs of a study, and what becomes of them.

target           which MLflow takes the runs
mlflow_listener  every run in MLflow; training_listener: those of `hpsearch train`
doctor           MLflow compared with a study, and repaired
ui               the MLflow UI as a process of its own
"""
