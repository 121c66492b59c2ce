"""Results of finished trials: pure functions over TrialRecords. Nothing here trains or writes a database.

comparison   trials by group: mean, standard deviation, count; power laws; the table and its remarks
verdict      the finalists compared with each other and with the untuned default, in numbers and words
statistics   means with intervals
confusion    metrics of each class from a confusion matrix
"""
