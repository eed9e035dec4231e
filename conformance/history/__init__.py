"""What past runs found: JSON lines are the truth, a DuckDB file is their rebuildable index.

Only the controller of a run writes here; readers may come at any time.
"""

from conformance.history.baseline import Baseline, comparable_run, find_baseline
from conformance.history.changes import compare_runs
from conformance.history.database import IndexUnavailable, table_columns
from conformance.history.durations import former_seconds, shared_seconds
from conformance.history.environment import EnvironmentDiff, FactChange
from conformance.history.figures import Figure, FigureChange
from conformance.history.folder import HistoryWarning, list_runs, open_report_folder, run_path
from conformance.history.gating import judge
from conformance.history.index import rebuild_index, update_index
from conformance.history.merge import JudgedRun, merge
from conformance.history.merge_shards import Merged, merge_shards
from conformance.history.named import named_run
from conformance.history.previous import (
    changes_since_baseline,
    changes_since_last,
    previous_run,
    run_at,
)
from conformance.history.query import EXPORTED, Answer, ask, export_parquet
from conformance.history.records import (
    RunWriter,
    StoredRun,
    append_records,
    read_case,
    read_run,
)
from conformance.history.report import load_report
from conformance.history.run_diff import CaseChange, Finding, Movement, RunDiff, RunSide
from conformance.history.series import (
    CaseHistory,
    PastResult,
    PastRun,
    case_histories,
    past_runs,
)
from conformance.history.shards import NotOneRun, Shard, read_shard

__all__ = [
    "EXPORTED",
    "Answer",
    "Baseline",
    "CaseChange",
    "CaseHistory",
    "EnvironmentDiff",
    "FactChange",
    "Figure",
    "FigureChange",
    "Finding",
    "HistoryWarning",
    "IndexUnavailable",
    "JudgedRun",
    "Merged",
    "Movement",
    "NotOneRun",
    "PastResult",
    "PastRun",
    "RunDiff",
    "RunSide",
    "RunWriter",
    "Shard",
    "StoredRun",
    "append_records",
    "ask",
    "case_histories",
    "changes_since_baseline",
    "changes_since_last",
    "comparable_run",
    "compare_runs",
    "export_parquet",
    "find_baseline",
    "former_seconds",
    "judge",
    "list_runs",
    "load_report",
    "merge",
    "merge_shards",
    "named_run",
    "open_report_folder",
    "past_runs",
    "previous_run",
    "read_case",
    "read_run",
    "read_shard",
    "rebuild_index",
    "run_at",
    "run_path",
    "shared_seconds",
    "table_columns",
    "update_index",
]
