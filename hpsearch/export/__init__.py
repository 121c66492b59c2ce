"""Taking a result away: a configuration file that `hpsearch train` runs, and the training itself.

yaml_file  a trial as a plain configuration
retrain    a configuration trained again, without Optuna
"""
