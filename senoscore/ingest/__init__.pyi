from .formats import FORMATS as FORMATS
from .formats import detect_format as detect_format
from .formats import find_format as find_format
from .formats import look_source as look_source
from .formats import open_source as open_source
from .formats import source_files as source_files
from .ingest import ingest as ingest
from .ingest import look as look
from .samples import refuse_copies as refuse_copies
from .sheets import is_radiation as is_radiation
from .sheets import point_config as point_config
from .sheets import propose_of_names as propose_of_names
from .sheets import propose_sheets as propose_sheets
from .sheets import sheet_column as sheet_column
from .source import MAX_BYTES as MAX_BYTES
from .text import open_text as open_text
from .values import KINDS as KINDS
from .values import LOG_MAX as LOG_MAX
from .values import decide_values as decide_values
from .values import scan_values as scan_values

__all__ = [
    "FORMATS",
    "KINDS",
    "LOG_MAX",
    "MAX_BYTES",
    "decide_values",
    "detect_format",
    "find_format",
    "ingest",
    "is_radiation",
    "look",
    "look_source",
    "open_source",
    "open_text",
    "point_config",
    "propose_of_names",
    "propose_sheets",
    "refuse_copies",
    "scan_values",
    "sheet_column",
    "source_files",
]
