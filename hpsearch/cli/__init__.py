"""The command line: each command parses, calls one function and prints.

Nothing heavy is imported at the top of these modules, so that `--help` answers at once; a command
imports what it needs when it runs, and only `run` (in its workers) and `train` import TensorFlow.
"""
