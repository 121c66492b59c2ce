"""The same fixed list of configurations through hpsearch and through what people use elsewhere.

    python -m tests.benchmarks          from the root of the repository; README.md says more

configurations  what is trained: plain data, and the study file that holds it
task            one run of one contender, as a file that its process reads
data            the images, split and normalized once for all peers
contenders      who competes: a command, and how its results are read
measure         wall time and memory of a process tree
results         what a run gave, one file each
report          medians, ranges, ratios; the table
peers           the programs of the contenders other than hpsearch
"""
