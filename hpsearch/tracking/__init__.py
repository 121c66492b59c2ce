"""Listeners of a study.

mlflow_listener  every run in MLflow
terminal         what a person watches
ui               the MLflow UI as a process of its own
"""
