"""`python -m hpsearch`."""

import os
import sys

import hpsearch

if __name__ == "__main__" and not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
    # `python -m` puts the current folder first on the path, so that a file `queue.py` there would be imported in place
    # of Python's own module. The commands find a user's modules by themselves.
    here = sys.path.pop(0)
    if hpsearch.__path__[0] == os.path.join(here, "hpsearch"):  # noqa: PTH118
        # It may not be installed.
        sys.path.append(here)

from hpsearch.cli.main import main  # noqa: E402, RUF100

if __name__ == "__main__":
    main()
