"""What can be chosen: optimizers, schedules, models, losses, metrics, datasets. One entry each, plain data.

An entry has the function that builds the object, the ranges that a study may sample, and its publication. No heavy
package is imported until an entry's `build` is called.
"""
