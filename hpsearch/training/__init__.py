"""One trial: a TrialConfig and data become a stream of EpochRow.

results    EpochRow, Outcome, Best: plain data, imports nothing heavy
trainer    builds model, optimizer and schedule from the catalogue; early stopping; best weights
quiet      TensorFlow's banners go to a log
preload    what workers are forked from
compiled   an epoch as one compiled function
"""
