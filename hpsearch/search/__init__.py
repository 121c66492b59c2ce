"""A study: ask, dispatch, report, prune, tell.

home         the one folder that holds the state of all studies, and who holds a study now
storage      the Optuna database: studies created, continued, listed
records      what a study knows of its trials, read back as frozen values
resume       checkpoints of interrupted trials, and how often a trial was lost
ending       how the end of a trial is recorded
sampling     sampler, pruner, and a configuration from an Optuna trial
listeners    the protocol of whoever follows a study (MLflow, the terminal)
stop         Ctrl-C and its like
run          from a study file to its end
coordinator  the one process that owns a running study
bench        a few configurations of a study, measured on this machine
forecast     what they say of the whole study
"""
