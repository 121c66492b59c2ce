"""Taking a result away: files of several formats, held against the study, and the training itself.

formats      what a trial can be exported as, one class each
chosen       the trial that is exported
figure       what it reached, and how far another training may lie from that
yaml_file    a configuration, in YAML or JSON
keras_json   optimizer and schedule as Keras serializes them
schedule     a configuration's learning rates as Keras has them
script       a Python script; script_data: its first part; printed: Keras objects as Python text
model_file   a trained model
verify       a file held against its study; isolated: Python without hpsearch; again: trained in this process
retrain      configurations trained without Optuna; parallel: several at once; repeat: seeds, and then everything
reproduce    a trial trained again, bit by bit
"""
