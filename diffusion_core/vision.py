"""torchvision, made importable beside a CPU-only torch.

The registry's torchvision links its operators against CUDA.  Beside a torch
without CUDA the operator library does not load, and ``import torchvision``
then dies in ``torch.library.register_fake("torchvision::nms")``, because the
schema that the library would have declared is unknown.  Declaring the two
schemas first lets the import through; datasets, transforms and utilities (all
that is used here, and all that diffusers and transformers need) do not touch
the operators.  Where the operator library loads, nothing is declared.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# The declarations live as long as this object does.
_library: torch.library.Library | None = None


def _operators_load() -> bool:
    """Whether torchvision's operator library opens beside this torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
    return True


def import_torchvision() -> ModuleType:
    """Return the ``torchvision`` package, with ``datasets`` and ``utils`` loaded.

    Returns
    -------
    module
        ``torchvision``.  Its compiled operators (``nms``, …) work only where
        torch and torchvision are of one build.
    """
    global _library
    if "torchvision" not in sys.modules and _library is None and not _operators_load():
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            _library.define(schema)
    import torchvision
    import torchvision.datasets
    import torchvision.utils

    return torchvision
