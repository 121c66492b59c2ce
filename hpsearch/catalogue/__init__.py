"""What can be chosen: optimizers, schedules, models, losses, metrics, datasets. One entry each, plain data.

An entry says how the object is built, what a study may sample and in which range, and where it was published. No heavy
package is imported until an entry's `build` is called.
"""
