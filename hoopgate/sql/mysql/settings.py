"""What a client may SET, and which system variables it may read.

The parser's reading of a text holds for a pinned session only, so what would change it is refused
before any rule is asked: character sets other than UTF-8, SQL modes that cut texts differently.
MariaDB's and MySQL's manuals, "Server System Variables", "SQL_MODE".
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

#: Change neither what names and literals mean nor what an account may do nor how queries are run.
HARMLESS: Final = frozenset(
    """
    autocommit completion_type div_precision_increment group_concat_max_len
    information_schema_stats_expiry innodb_lock_wait_timeout interactive_timeout lc_messages
    lc_time_names lock_wait_timeout
    max_execution_time max_statement_time net_read_timeout net_write_timeout sql_auto_is_null
    sql_notes sql_quote_show_create sql_safe_updates sql_select_limit sql_warnings time_zone
    transaction_isolation transaction_read_only tx_isolation tx_read_only wait_timeout
    """.split()
)
#: Change how queries are run, and with that the order of rows that none asks for.
PLANNER: Final = frozenset(
    """
    eq_range_index_dive_limit histogram_size internal_tmp_mem_storage_engine join_buffer_size
    join_cache_level max_heap_table_size max_length_for_sort_data mrr_buffer_size
    optimizer_prune_level optimizer_search_depth optimizer_selectivity_sampling_limit
    optimizer_switch optimizer_use_condition_selectivity read_rnd_buffer_size rowid_merge_buff_size
    sort_buffer_size tmp_table_size use_stat_tables
    """.split()
)
#: SQL modes that change neither how a text is cut nor what its operators mean.
MODES: Final = frozenset(
    """
    ALLOW_INVALID_DATES ERROR_FOR_DIVISION_BY_ZERO NO_AUTO_CREATE_USER NO_AUTO_VALUE_ON_ZERO
    NO_DIR_IN_CREATE NO_ENGINE_SUBSTITUTION NO_UNSIGNED_SUBTRACTION NO_ZERO_DATE NO_ZERO_IN_DATE
    ONLY_FULL_GROUP_BY STRICT_ALL_TABLES STRICT_TRANS_TABLES TIME_ROUND_FRACTIONAL
    TIME_TRUNCATE_FRACTIONAL TRADITIONAL
    """.split()
)
#: What the session tells of itself; it must not be switched off.
TRACKED: Final = frozenset({"session_track_schema"})
CHARACTER_SETS: Final = frozenset({"utf8mb4", "utf8", "utf8mb3"})
#: Of ``character_set_results``, besides: texts come as they are stored.
AS_STORED: Final = frozenset({"null", "binary"})
#: Settings that have a character set.
CHARACTER_SET: Final = frozenset(
    {"character_set_client", "character_set_connection", "character_set_results"}
)

#: How names begin of variables all of which may be shown.
READABLE_BEGINNINGS: Final = ("character_set", "collation", "lower_case", "version")
#: Status variables that say nothing of data or of what others do.
READABLE_STATUS: Final = frozenset("ssl_cipher ssl_version uptime".split())
#: System variables whose values say nothing of data or of what others do.
READABLE: Final = (
    HARMLESS
    | CHARACTER_SET
    | frozenset(
        """
        auto_increment_increment auto_increment_offset character_set_database character_set_server
        character_set_system collation_connection collation_database collation_server
        default_storage_engine default_week_format event_scheduler ft_min_word_len gtid_mode
        have_openssl have_ssl hostname init_connect innodb_version license log_bin
        lower_case_file_system lower_case_table_names max_allowed_packet max_connections
        max_user_connections ndbinfo_version net_buffer_length performance_schema port
        protocol_version query_cache_size query_cache_type read_only session_track_schema
        session_track_system_variables skip_networking sql_mode storage_engine super_read_only
        system_time_zone tls_version
        transaction_allow_batching version version_comment version_compile_machine
        version_compile_os version_ssl_library
        """.split()
    )
)
