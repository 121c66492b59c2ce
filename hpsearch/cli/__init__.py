"""The command line: each command parses, calls one function and prints.

Nothing heavy is imported at the top of these modules, so that `--help` answers at once; a command imports what it needs
when it runs. Of the commands' own processes only `export` imports TensorFlow; the others leave that to workers.
"""
