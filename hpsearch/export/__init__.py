"""Results as files in several formats, their verification, and configurations trained outside of a study.

formats        what a trial can be exported as, one class each
selected       the trial that is exported, and the value that another training of it is compared with
keras_objects  optimizer and schedule as Keras serializes them, and Keras objects as Python text
script         a Python script that trains the same model, from the template train.py.jinja
model_file     a trained model
verification   an exported file compared with its study
trainings      configurations trained in workers without Optuna: several seeds, and then everything
reproduce      a trial trained again, bit by bit
"""
