"""The contenders other than hpsearch: each as a careful user of that tool would write it.

They take no shortcut that hpsearch does not take, and none is withheld from them: data is prepared,
nothing is printed, and the index of the configuration stands for its values.
"""
