"""Φ, the standard Normal's distribution function, of arrays: scipy's compiled one, without the rest of scipy.

`scipy.special` wraps its functions for other array libraries, and so imports all of numpy with its tests and its
Fortran: 16 MB and 0.2 s of each process that serves. The compiled module of its functions needs none of that (ADR 40).
"""

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import cast

import numpy as np

_COMPILED = "_special_ufuncs"


def _ndtr() -> np.ufunc:
    package = find_spec("scipy")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    found = PathFinder.find_spec(_COMPILED, [f"{folder}/special" for folder in folders])
    if found is None or found.loader is None:  # another release of scipy
        from scipy.special import ndtr  # noqa: PLC0415 - it imports the rest of scipy

        return cast("np.ufunc", ndtr)
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return cast("np.ufunc", module.ndtr)


ndtr = _ndtr()
