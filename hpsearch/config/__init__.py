"""What a user writes, validated as a whole before anything trains.

yaml_text      text -> plain data with the line of each key; `--set` and `--quick`
problems       errors of a file, in one line each
foreign        distributions in the notation of other tools, and what to write instead
user_modules   the user's own modules: found, checked, digested; never imported here
trial          TrialConfig and TrainableConfig, one concrete training
distributions  numbers to be drawn from a range
file           the other sections of a study file, and its JSON Schema
space          the tree below `trial:`, in which any value may be a distribution
matching       a configuration as parameters of the space
checking       the rules of a study beyond those of its sections
study          StudySpec, the whole file
varied         the values that differ between trials
"""
