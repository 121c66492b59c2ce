"""A study: sampled, trained, recorded.

home         the folder with the state of all studies, and the lock of each study
storage      the Optuna database: studies created, continued, listed
records      the record of a trial, read back as a frozen value
resume       checkpoints of interrupted trials, and how often a trial was lost
ending       how the end of a trial is recorded
sampling     sampler, pruner, and a configuration from an Optuna trial
listeners    the protocol of whoever follows a study (MLflow, the terminal)
stop         Ctrl-C and its like
run          from a study file to its end
coordinator  the one process that owns a running study
bench        a few configurations of a study, measured on this machine
forecast     the forecast from these for the whole study
"""
