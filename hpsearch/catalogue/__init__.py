"""What can be chosen: optimizers, schedules, models, losses, datasets. One row per entry, plain data.

A row tells how the thing is built, what a study may sample and in which range, and where it was
published. Nothing heavy is imported until a row's `build` is called.
"""
