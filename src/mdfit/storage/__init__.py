"""Files of runs: written atomically, by one writer at a time, and checked when they are read back."""

from mdfit.storage.atomic import atomic_path, remedy, remove_leftovers, synchronise, write_json, write_text
from mdfit.storage.documents import (
    MADE_AGAIN,
    Document,
    DocumentError,
    Number,
    Seconds,
    checked,
    parse_json,
    parse_yaml,
    read_json,
)
from mdfit.storage.fingerprints import fingerprint
from mdfit.storage.locking import only_writer
from mdfit.storage.reading import LARGEST_LOG, open_regular, read_bytes, read_text
from mdfit.storage.trees import digest, fill_tree, read_header, write_tree

__all__ = [
    "LARGEST_LOG",
    "MADE_AGAIN",
    "Document",
    "DocumentError",
    "Number",
    "Seconds",
    "atomic_path",
    "checked",
    "digest",
    "fill_tree",
    "fingerprint",
    "only_writer",
    "open_regular",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_header",
    "read_json",
    "read_text",
    "remedy",
    "remove_leftovers",
    "synchronise",
    "write_json",
    "write_text",
    "write_tree",
]
