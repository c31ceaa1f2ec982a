"""Reading files safely: folders, digests, tables, archives, Parquet, and the keys of stored results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.files.apart import read_apart, wanted
    from workbench.files.check_results import FINDINGS, TABLES_IN, CheckResult, Outcome, findings_text, result_row
    from workbench.files.delimited import read_delimited
    from workbench.files.digests import Stamp, file_digest, stamp_from, stamp_of, store
    from workbench.files.disk import open_file, read_file
    from workbench.files.folders import CACHE_VARIABLE, JOURNAL_VARIABLE, cache_folder, data_folder
    from workbench.files.kept_values import read_value, write_value
    from workbench.files.keys import KINDS, UNNAMED_AT_DEFAULT, key, unique_text
    from workbench.files.parquet import DamagedError, facts_of, metadata_of, open_parquet, read, read_facts
    from workbench.files.parquet_images import ParquetCells
    from workbench.files.sheets import frame_csv, to_csv, unguarded
    from workbench.files.table_limits import Table
    from workbench.files.tables import csv_rows, read_shards, read_table
    from workbench.files.zips import open_zip

__getattr__ = handed_on(
    __name__,
    {
        "apart": "read_apart wanted",
        "check_results": "CheckResult FINDINGS Outcome TABLES_IN findings_text result_row",
        "digests": "Stamp file_digest stamp_from stamp_of store",
        "disk": "open_file read_file",
        "folders": "CACHE_VARIABLE JOURNAL_VARIABLE cache_folder data_folder",
        "kept_values": "read_value write_value",
        "keys": "KINDS UNNAMED_AT_DEFAULT unique_text key",
        "parquet": "DamagedError facts_of metadata_of open_parquet read read_facts",
        "parquet_images": "ParquetCells",
        "sheets": "frame_csv to_csv unguarded",
        "table_limits": "Table",
        "delimited": "read_delimited",
        "tables": "csv_rows read_shards read_table",
        "zips": "open_zip",
    },
)
