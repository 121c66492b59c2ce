"""Datasets, from wherever they can be had to arrays that are mapped into memory.

    catalogue row  ->  sources.py   where the four raw files may be: folders, a download, a Debian package
                   ->  raw.py       their uncompressed bytes, used only if the SHA-256 is right
                   ->  store.py     .npy files in the user's cache, put there in one step; `obtain`, `status`
                   ->  arrays.py    `load_train`, `load_test`: uint8 arrays shared by all workers
                   ->  splits.py    `stratified_split` into training and validation

A command calls `obtain` before anything trains; workers only load. The test split is loaded apart, so
that a search cannot touch it. Nothing here imports TensorFlow or Keras, and this module imports nothing.
"""
