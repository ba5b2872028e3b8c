"""The closed lists of statement classes and flags that rules match, and what puts them there."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

CLASSES: Final = {
    "read": "SELECT, VALUES, TABLE, also inside another statement, and RETURNING",
    "insert": "INSERT, also in a CTE or MERGE",
    "update": "UPDATE, also in a CTE or MERGE",
    "delete": "DELETE, also in a CTE or MERGE",
    "merge": "MERGE",
    "truncate": "TRUNCATE",
    "ddl": "CREATE, ALTER, DROP, COMMENT, SELECT INTO, REFRESH …: anything that changes the schema",
    "do": "DO: code in a string",
    "call": "CALL of a procedure",
    "copy.to": "COPY … TO STDOUT",
    "copy.from": "COPY … FROM STDIN",
    "copy.file": "COPY to or from a file of the server",
    "copy.program": "COPY to or from a program on the server",
    "transaction": "BEGIN, COMMIT, ROLLBACK, SAVEPOINT, SET TRANSACTION, SET CONSTRAINTS",
    "session": "SET, RESET, DISCARD, UNLISTEN",
    "show": "SHOW",
    "role": "SET ROLE, SET SESSION AUTHORIZATION and their RESET",
    "grant": "GRANT, REVOKE, roles, default privileges, policies and security labels",
    "prepare": "PREPARE (with the classes of what it prepares)",
    "execute": "EXECUTE",
    "deallocate": "DEALLOCATE",
    "cursor": "DECLARE CURSOR (with the classes of its query)",
    "fetch": "FETCH, MOVE",
    "close": "CLOSE",
    "explain": "EXPLAIN (with the classes of the statement when it is run by ANALYZE)",
    "notify": "LISTEN, NOTIFY",
    "lock": "LOCK TABLE",
    "maintenance": "VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT, LOAD, ALTER SYSTEM",
    "replication": "publications, subscriptions and replication slots",
    "two_phase": "PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED",
    "multi": "one of several statements in one request",
    "unknown": "a statement that this version does not know",
}

FLAGS: Final = {
    "no_where": "an UPDATE or DELETE without WHERE",
    "trivial_where": "an UPDATE or DELETE whose WHERE holds for every row (true, 1=1, id=id)",
    "no_limit": "the outermost query has no LIMIT",
    "unfiltered": "the outermost query reads a table without WHERE, or with a trivial one",
    "bulk": "no_limit and unfiltered and not an aggregate, or COPY TO: whole tables leave",
    "copy_to": "COPY … TO",
    "copy_from": "COPY … FROM",
    "explain_analyze": "EXPLAIN that runs its statement",
    "multi_mixed": "several statements in one request that are not all reads or housekeeping",
    "file_function": "a function that reads or writes files or large objects of the server",
    "superuser_function": "a function for administrators or on other sessions",
    "code_string_function": "a function that runs SQL given in a string",
    "state_function": "a function that changes settings, sequences, locks or other server state",
    "setting_function": "set_config() of a harmless setting named by a constant: a SET",
    "unlisted_setting": "SET or RESET of a setting that is not on the list of harmless ones",
    "planner_setting": "SET of a setting that changes plans, and with them the order of rows",
    "serializable": "asks for SERIALIZABLE transactions, or for a level that a parameter names",
    "temporary": "creates a temporary object, which hides a real one of the same name",
    "parameters": "has parameters ($1 …)",
    "argument_expression": "EXECUTE or CALL with an argument that is not a constant",
    "with_hold": "a cursor that outlives its transaction",
    "scrolls_by_plan": "DECLARE with neither SCROLL nor NO SCROLL: the plan decides",
    "backward": "FETCH or MOVE that may go back",
    "moves_columns": "DDL that gives stored columns another name, schema, parent or meaning",
    "given_values": "DDL that says what rows have in a column: DEFAULT, CREATE TABLE AS with names",
    "into": "SELECT INTO or CREATE TABLE AS: rows are stored under a new name",
    "stored_rows": "changes the schema or looks after it, and depends on the rows there are",
    "locking": "SELECT … FOR UPDATE and the like",
}

FILE_FUNCTIONS: Final = (
    "pg_read_file",
    "pg_read_binary_file",
    "pg_read_file_old",
    "pg_stat_file",
    "pg_ls_*",
    "pg_file_*",
    "lo_*",
    "loread",
    "lowrite",
    "pg_current_logfile",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_show_all_file_settings",
    "pg_relation_filepath",
)
SUPERUSER_FUNCTIONS: Final = (
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_promote",
    "pg_switch_wal",
    "pg_backup_*",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_create_*",
    "pg_drop_replication_slot",
    "pg_copy_*_replication_slot",
    "pg_logical_*",
    "pg_replication_*",
    "pg_wal_replay_*",
    "pg_stat_reset*",
    "pg_stat_get_activity",
    "pg_log_backend_memory_contexts",
    "pg_extension_config_dump",
    "binary_upgrade_*",
    "get_raw_page",
    "heap_page_items",
    "pg_import_system_collations",
)
CODE_STRING_FUNCTIONS: Final = (
    "query_to_xml*",
    "table_to_xml*",
    "schema_to_xml*",
    "database_to_xml*",
    "cursor_to_xml*",
    "ts_stat",
    "ts_rewrite",
    "dblink*",
    "crosstab*",
    "connectby",
    "xpath_table",
    "exec_sql",
)
STATE_FUNCTIONS: Final = (
    "set_config",
    "setval",
    "pg_sleep*",
    "pg_notify",
    "pg_advisory_lock*",
    "pg_advisory_xact_lock*",
    "pg_advisory_unlock",
    "pg_advisory_unlock_shared",
    "pg_try_advisory_*",
    "pg_export_snapshot",
    "setseed",
)

#: Settings that may be SET: none changes what a name or a literal means, what an account may do or
#: what encoding the wire has. Those of FIXED_SETTINGS are allowed with the values there.
HARMLESS_SETTINGS: Final = frozenset(
    """
    application_name bytea_output client_connection_check_interval datestyle
    default_statistics_target default_transaction_deferrable default_transaction_isolation
    default_transaction_read_only idle_in_transaction_session_timeout idle_session_timeout
    intervalstyle jit lc_messages lc_monetary lc_numeric lc_time lock_timeout
    plan_cache_mode statement_timeout synchronous_commit tcp_keepalives_count tcp_keepalives_idle
    tcp_keepalives_interval timezone transaction_deferrable transaction_isolation
    transaction_read_only transaction_timeout xmloption
    """.split()
)
#: Those of them that may ask for SERIALIZABLE.
ISOLATION_SETTINGS: Final = frozenset({"default_transaction_isolation", "transaction_isolation"})
#: Settings that change how a query is run: harmless but where rows hold secrets. The order of rows
#: that no ORDER BY asks for is then the order of an index, or of a hash table of a certain size.
PLANNER_SETTINGS: Final = frozenset(
    """
    constraint_exclusion cursor_tuple_fraction effective_cache_size enable_async_append
    enable_bitmapscan enable_gathermerge enable_hashagg enable_hashjoin enable_incremental_sort
    enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
    enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
    enable_partitionwise_aggregate enable_partitionwise_join enable_seqscan enable_sort
    enable_tidscan from_collapse_limit geqo geqo_threshold gin_fuzzy_search_limit
    join_collapse_limit max_parallel_workers_per_gather random_page_cost seq_page_cost temp_buffers
    work_mem
    """.split()
)
FIXED_SETTINGS: Final = {
    # Below NOTICE the server tells what it does with the data.
    "client_min_messages": frozenset({"notice", "warning", "error"}),
    "client_encoding": frozenset({"utf8", "utf-8", "unicode"}),
    "standard_conforming_strings": frozenset({"on", "true", "yes", "1"}),
    # Below 1 numbers are rounded: where whole years are told of an age, to which half it is nearer.
    "extra_float_digits": frozenset({"1", "2", "3"}),
}
