"""A study: sampled, trained, recorded.

run           from a study file to its end
coordinator   the policy of a study: asks Optuna, records, prunes, informs the listeners
runner        the one loop over an executor; JobList: the policy of given jobs
jobs          the configuration and the job of each trial, checkpoints, the order of waiting trials
sampling      the samplers by name; sampler_view: the study as its sampler sees it
independent   samplers that draw each parameter by itself; priors, forest, evolution: samplers of these kinds
balance       the same number of trials for every option of a choice
pruning       the pruners; promotion: the pruner that pauses trials; paused: the paused trials of a study
budget        when no new trial starts
attempts      trained and failed configurations, and when a run aborts
records       the record of a trial; recording: how a trial's course is recorded in Optuna
storage       studies in the Optuna database; database: its opening and its errors; sqlite: what is special to SQLite
home          the folder with the state of all studies, and the lock of each study
contents      digests of the user's own data and modules; prepare: datasets checked before anything trains
provenance    versions, commit, user and data of a study's trials
stages        the parts of a study after its search, and their results; finalists: how they are run
listeners     the protocol of listeners; stop: Ctrl-C and the like
bench         a few configurations measured on this machine, and the forecast for the whole study
"""
