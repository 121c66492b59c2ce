"""Datasets: fetched, verified, kept in a cache, and mapped into memory as arrays.

catalogue entry -> sources.py   where the four raw files are: folders, a download, a Debian package; their SHA-256
                   ->  store.py     .npy files in the user's cache, put there in one step; `obtain`, `status`
                   ->  arrays.py    `load_train`, `load_test`: uint8 arrays shared by all workers
                   ->  splits.py    `stratified_split` into training and validation

A command calls `obtain` before anything trains; workers only load. The test split is loaded by a function of its own,
so that a search cannot touch it. `user_data.py` reads the user's own datasets. Nothing here imports TensorFlow or
Keras, and this module imports nothing.
"""
