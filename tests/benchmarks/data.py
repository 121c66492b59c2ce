"""The images for the peers: hpsearch's own split, normalized, as .npy files. Prepared outside of any timing."""

from __future__ import annotations

from pathlib import Path

from .task import Settings

PARTS = ("train", "validation")


def prepare(settings: Settings, folder: Path) -> None:
    """Write {train,validation}_{images,labels}.npy: float32 [n, 28, 28] in [0, 1], int32 [n].

    Makes sure that the dataset is in hpsearch's cache, too, so that no contender fetches anything.
    """
    import numpy as np

    from hpsearch.data.arrays import load_train
    from hpsearch.data.splits import stratified_split
    from hpsearch.data.store import obtain

    section = settings.data_section()
    obtain(section["dataset"])
    done = folder / "done"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    arrays = load_train(section["dataset"])
    split = stratified_split(arrays.labels, section["validation"], seed=0)
    for part, indices in zip(PARTS, (split.train, split.validation), strict=True):
        np.save(folder / f"{part}_images.npy", arrays.images[indices].astype(np.float32) / np.float32(255))
        np.save(folder / f"{part}_labels.npy", arrays.labels[indices].astype(np.int32))
    done.touch()
