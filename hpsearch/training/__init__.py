"""One trial: a TrialConfig and data become a stream of EpochMetrics.

results       EpochMetrics, Outcome, Best: plain data, imports nothing heavy
structure     which trials can share compiled functions, and which engine trains them; plain data
examples      the data of a trial in memory, split and normalized
executable    model and optimizer, compiled once for all trials of the same structure; knobs: their numbers as variables
engine        the interface of an engine; compiled, fit_engine, lbfgs: the engines; xla_cache: compiled code on disk
trainer       the epochs of a trial: early stopping, best weights; checkpoint: its state in a file
callbacks     learning rates of a schedule, and a user's Keras callbacks
trainable     a user's own training; user_code, user_model: other objects that a configuration names as module:name
portable      the trained model to export, its predictions and confusion matrix
measures      matrix operations of a model, gradient noise, the speed of matrix products
preload       imports of the process that workers are forked from; quiet: where output goes
"""
