"""Libraries that come with an extra of irgen, imported or asked for in one line."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from irgen.errors import UserError

EXTRAS: Mapping[str, str] = {
    "altair": "data",
    "huggingface_hub": "data",
    "pyarrow": "data",
    "rensa": "data",
    "vl_convert": "data",
    "datatrove": "cluster",
    "dill": "cluster",
    "ray": "cluster",
}
"""The extra of irgen that brings a library, by the name it is imported by."""


def need(name: str) -> Any:
    """The module of that name, such as "pyarrow.parquet".

    UserError where the library is not installed; what is wrong inside of it passes through.
    """
    library = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        extra = EXTRAS[library]
        raise UserError(f"{library} is not installed: pip install 'irgen[{extra}]'") from None
