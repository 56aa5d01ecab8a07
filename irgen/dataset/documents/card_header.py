"""The header of a card: the YAML that Hugging Face reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irgen.dataset.arrow import schema
from irgen.dataset.documents.configs import DEFAULT, Config, configs
from irgen.dataset.documents.licences import LICENCE
from irgen.dataset.documents.words import title
from irgen.dataset.reading import Dataset

if TYPE_CHECKING:
    import pyarrow as pa

Node = dict[str, Any]

_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
)  # fmt: skip

_TAGS = (
    "code", "compilers", "kernels", "gpu", "intermediate-representation",
    "automatic-differentiation", "synthetic",
)  # fmt: skip

_BACKEND_TAGS = {"warp": ("nvidia-warp", "cuda", "cpp"), "jax": ("jax", "stablehlo", "mlir", "xla")}

_DTYPES = {
    "string": "string", "large_string": "string", "bool": "bool", "int32": "int32",
    "int64": "int64", "double": "float64", "float": "float32",
}  # fmt: skip
"""How `datasets` names the Arrow types that columns have."""


def header(dataset: Dataset) -> str:
    """The YAML between the two lines of dashes, a line end behind it."""
    from huggingface_hub import DatasetCardData

    settings = dataset.manifest.settings
    found = configs(dataset)
    tags = [*_TAGS, *[tag for name in settings.backends for tag in _BACKEND_TAGS.get(name, ())]]
    data: Any = DatasetCardData(
        license=LICENCE,
        language=["code", "en"],
        annotations_creators=["machine-generated"],
        language_creators=["machine-generated"],
        multilinguality="monolingual",
        source_datasets=["original"],
        task_categories=["text-generation"],
        tags=tags,
        pretty_name=title(settings),
        size_categories=[size_category(dataset.count)],
        configs=[_config(config) for config in found],
        dataset_info=[{"config_name": DEFAULT, "features": features(schema(settings))}],
    )
    return data.to_yaml(line_break="\n") + "\n"


def size_category(rows: int) -> str:
    """What Hugging Face calls a data set of so many rows: "10K<n<100K"."""
    return next((name for limit, name in _SIZES if rows < limit), "1B<n<10B")


def _config(config: Config) -> Node:
    files = [{"split": split, "path": config.pattern(split)} for split in config.files]
    node: Node = {"config_name": config.name, "data_files": files}
    return node | {"default": True} if config.name == DEFAULT else node


def features(of: pa.Schema) -> list[Node]:
    """A schema as `datasets` writes it in a card."""
    return _fields(of)


def struct_fields(kind: Any) -> list[pa.Field[Any]]:
    """The fields of a struct."""
    return [kind.field(at) for at in range(kind.num_fields)]


def _fields(found: Any) -> list[Node]:
    return [{"name": field.name} | _feature(field.type) for field in found]


def _feature(kind: Any) -> Node:
    import pyarrow.types as pt

    if pt.is_list(kind):
        inner = _feature(kind.value_type)
        # A list of a plain type, or of a struct's fields.
        return {"list": inner["dtype"] if "dtype" in inner else inner["struct"]}
    if pt.is_struct(kind):
        return {"struct": _fields(struct_fields(kind))}
    return {"dtype": _DTYPES[str(kind)]}
