"""What a person writes, validated as a whole before anything trains.

yaml_text   text -> plain data with the line of every key
parsing     plain data -> nodes, distributions checked
space       the tree of nodes: defaults from the catalogue, names, concrete values
trial       TrialConfig, one concrete training
study       StudySpec, the whole file
problems    what is wrong, in one line each
schema      the JSON Schema for editors
"""
