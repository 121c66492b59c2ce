"""What finished trials say: pure functions over TrialRecords. Nothing here trains or writes a database.

comparison   trials by group: mean, standard deviation, count; power laws
text         the same as lines of a table, and what a reader must know
"""
