"""Listeners of a study, and what becomes of what they write.

target           which MLflow takes the runs
mlflow_listener  every run in MLflow; training_listener: those of `hpsearch train`
doctor           MLflow compared with a study, and repaired
terminal         what a person watches
ui               the MLflow UI as a process of its own
"""
