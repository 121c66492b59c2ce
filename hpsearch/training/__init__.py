"""One trial: a TrialConfig and data become a stream of EpochMetrics.

results    EpochMetrics, Outcome, Best: plain data, imports nothing heavy
trainer    the epochs of a trial; early stopping; best weights
rates      learning rates of a schedule
user_code  what a configuration names as module:name
executable model and optimizer, compiled once for all trials of the same structure
knobs      optimizer knobs as variables
quiet      TensorFlow's banners go to a log
preload    what workers are forked from
flops      matrix operations of a model
products   how fast matrices are multiplied here
compiled   an epoch as one compiled function
"""
