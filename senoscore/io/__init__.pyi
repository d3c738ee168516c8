from .atomic import TEMPORARY_PREFIX as TEMPORARY_PREFIX
from .atomic import atomic_path as atomic_path
from .atomic import remake as remake
from .blocks import Block as Block
from .blocks import find_layer as find_layer
from .blocks import iter_blocks as iter_blocks
from .blocks import iter_matrix as iter_matrix
from .blocks import memory_blocks as memory_blocks
from .blocks import no_layer as no_layer
from .blocks import prefetch as prefetch
from .canonical import Canonical as Canonical
from .canonical import read_canonical as read_canonical
from .canonical import read_facts as read_facts
from .canonical import stored_facts as stored_facts
from .canonical import write_canonical_stream as write_canonical_stream
from .canonical import write_facts as write_facts
from .extras import from_extra as from_extra
from .extras import need_extra as need_extra
from .face import attach_face as attach_face
from .hdf5 import H5_ERRORS as H5_ERRORS
from .hdf5 import Matrix as Matrix
from .hdf5 import check_parts as check_parts
from .hdf5 import check_size as check_size
from .hdf5 import child as child
from .hdf5 import create_h5 as create_h5
from .hdf5 import damaged as damaged
from .hdf5 import describe as describe
from .hdf5 import is_array as is_array
from .hdf5 import is_group as is_group
from .hdf5 import open_h5 as open_h5
from .hdf5 import place as place
from .hdf5 import read_index as read_index
from .hdf5 import read_stored as read_stored
from .progress import progress as progress
from .progress import track as track
from .resources import column_meanings as column_meanings
from .resources import declared_as as declared_as
from .resources import odd_path as odd_path
from .resources import resource as resource
from .resources import schema as schema
from .resources import schema_file as schema_file
from .resources import workflow_file as workflow_file
from .tables import EXACT_FLOATS as EXACT_FLOATS
from .tables import flags as flags
from .tables import guard_formulas as guard_formulas
from .tables import parquet_blocks as parquet_blocks
from .tables import parquet_columns as parquet_columns
from .tables import parquet_options as parquet_options
from .tables import parquet_rows as parquet_rows
from .tables import read_parquet as read_parquet
from .tables import read_tsv as read_tsv
from .tables import write_parquet as write_parquet
from .tables import write_parquet_blocks as write_parquet_blocks
from .tables import write_tsv as write_tsv
from .yaml import load_config_file as load_config_file
from .yaml import load_yaml as load_yaml
from .yaml import refuse_unreadable_config as refuse_unreadable_config

__all__ = [
    "EXACT_FLOATS",
    "H5_ERRORS",
    "TEMPORARY_PREFIX",
    "Block",
    "Canonical",
    "Matrix",
    "atomic_path",
    "attach_face",
    "check_parts",
    "check_size",
    "child",
    "column_meanings",
    "create_h5",
    "damaged",
    "declared_as",
    "describe",
    "find_layer",
    "flags",
    "from_extra",
    "guard_formulas",
    "is_array",
    "is_group",
    "iter_blocks",
    "iter_matrix",
    "load_config_file",
    "load_yaml",
    "memory_blocks",
    "need_extra",
    "no_layer",
    "odd_path",
    "open_h5",
    "parquet_blocks",
    "parquet_columns",
    "parquet_options",
    "parquet_rows",
    "place",
    "prefetch",
    "progress",
    "read_canonical",
    "read_facts",
    "read_index",
    "read_parquet",
    "read_stored",
    "read_tsv",
    "refuse_unreadable_config",
    "remake",
    "resource",
    "schema",
    "schema_file",
    "stored_facts",
    "track",
    "workflow_file",
    "write_canonical_stream",
    "write_facts",
    "write_parquet",
    "write_parquet_blocks",
    "write_tsv",
]
