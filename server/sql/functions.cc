#include "server/sql/functions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"

namespace sluice::sql {
namespace {

using Set = absl::flat_hash_set<absl::string_view>;

// clang-format off
const Set& Reads() {
  static const auto& set = *new Set{
      // Constructs, and types with a length or precision.
      "cast", "coalesce", "collation", "extract", "greatest", "grouping", "least", "normalize", "nullif", "overlay",
      "position", "row", "substring", "treat", "trim", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlparse",
      "xmlpi", "xmlroot", "xmlserialize", "xmltable", "current_time", "current_timestamp", "localtime",
      "localtimestamp", "bernoulli", "system", "bit", "bpchar", "char", "character", "dec", "decimal", "float",
      "interval", "nchar", "numeric", "time", "timestamp", "timestamptz", "timetz", "varbit", "varchar", "varying",
      // Aggregates and window functions.
      "any_value", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count",
      "covar_pop", "covar_samp", "cume_dist", "dense_rank", "every", "first_value", "json_agg", "json_object_agg",
      "jsonb_agg", "jsonb_object_agg", "lag", "last_value", "lead", "max", "min", "mode", "nth_value", "ntile",
      "percent_rank", "percentile_cont", "percentile_disc", "range_agg", "range_intersect_agg", "rank", "regr_avgx",
      "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy",
      "row_number", "stddev", "stddev_pop", "stddev_samp", "string_agg", "sum", "var_pop", "var_samp", "variance",
      "xmlagg",
      // Numbers.
      "abs", "acos", "asin", "atan", "atan2", "cbrt", "ceil", "ceiling", "cos", "cot", "degrees", "div", "exp",
      "factorial", "floor", "gcd", "lcm", "ln", "log", "log10", "min_scale", "mod", "pi", "power", "radians", "random",
      "round", "scale", "sign", "sin", "sqrt", "tan", "trim_scale", "trunc", "width_bucket",
      // Texts and bytes.
      "ascii", "bit_count", "bit_length", "btrim", "char_length", "character_length", "chr", "concat", "concat_ws",
      "convert", "convert_from", "convert_to", "crc32", "decode", "encode", "format", "get_bit", "get_byte", "initcap",
      "left", "length", "lower", "lpad", "ltrim", "md5", "octet_length", "parse_ident", "quote_ident", "quote_literal",
      "quote_nullable", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_matches",
      "regexp_replace", "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "repeat", "replace",
      "reverse", "right", "rpad", "rtrim", "set_bit", "set_byte", "sha224", "sha256", "sha384", "sha512",
      "split_part", "starts_with", "strpos", "substr", "string_to_array", "string_to_table", "to_ascii", "to_hex",
      "translate", "unistr", "upper",
      // Dates and times.
      "age", "clock_timestamp", "date", "date_bin", "date_part", "date_trunc", "isfinite", "justify_days",
      "justify_hours", "justify_interval", "make_date", "make_interval", "make_time", "make_timestamp",
      "make_timestamptz", "now", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "statement_timestamp", "timeofday",
      "timezone", "to_char", "to_date", "to_number", "to_timestamp", "transaction_timestamp",
      // JSON.
      "array_to_json", "json_array_elements", "json_array_elements_text", "json_array_length", "json_build_array",
      "json_build_object", "json_each", "json_each_text", "json_extract_path", "json_extract_path_text", "json_object",
      "json_object_keys", "json_populate_record", "json_populate_recordset", "json_strip_nulls", "json_to_record",
      "json_to_recordset", "json_typeof", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length",
      "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text", "jsonb_extract_path",
      "jsonb_extract_path_text", "jsonb_insert", "jsonb_object", "jsonb_object_keys", "jsonb_path_exists",
      "jsonb_path_match", "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first",
      "jsonb_populate_record", "jsonb_populate_recordset", "jsonb_pretty", "jsonb_set", "jsonb_set_lax",
      "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_typeof", "row_to_json", "to_json",
      "to_jsonb",
      // Arrays, ranges, sets, enums, uuids.
      "array_append", "array_cat", "array_dims", "array_fill", "array_length", "array_lower", "array_ndims",
      "array_position", "array_positions", "array_prepend", "array_remove", "array_replace", "array_sample",
      "array_shuffle", "array_to_string", "array_upper", "cardinality", "datemultirange", "daterange", "enum_first",
      "enum_last", "enum_range", "gen_random_uuid", "generate_series", "generate_subscripts", "int4multirange",
      "int4range", "int8multirange", "int8range", "isempty", "lower_inc", "lower_inf", "multirange", "num_nonnulls",
      "num_nulls", "nummultirange", "numrange", "range_merge", "trim_array", "tsmultirange", "tsrange",
      "tstzmultirange", "tstzrange", "unnest", "upper_inc", "upper_inf",
      // Text search.
      "phraseto_tsquery", "plainto_tsquery", "querytree", "setweight", "strip", "to_tsquery", "to_tsvector",
      "ts_headline", "ts_rank", "ts_rank_cd", "tsvector_to_array", "websearch_to_tsquery",
      // Networks and geometry.
      "abbrev", "area", "box", "broadcast", "center", "circle", "diameter", "family", "height", "host", "hostmask",
      "inet_merge", "inet_same_family", "isclosed", "isopen", "line", "lseg", "masklen", "netmask", "network",
      "npoints", "path", "pclose", "point", "polygon", "popen", "radius", "set_masklen", "slope", "width",
      // The server, the session and the catalog.
      "col_description", "current_database", "current_schema", "current_schemas", "current_setting",
      "format_type", "has_any_column_privilege", "has_column_privilege", "has_database_privilege",
      "has_function_privilege", "has_schema_privilege", "has_sequence_privilege", "has_table_privilege",
      "has_type_privilege", "inet_client_addr", "inet_server_addr", "obj_description", "pg_backend_pid",
      "pg_column_size", "pg_database_size", "pg_describe_object", "pg_encoding_to_char", "pg_get_constraintdef",
      "pg_get_expr", "pg_get_function_arguments", "pg_get_functiondef", "pg_get_indexdef", "pg_get_userbyid",
      "pg_get_viewdef", "pg_has_role", "pg_indexes_size", "pg_is_in_recovery", "pg_last_wal_receive_lsn",
      "pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp", "pg_postmaster_start_time", "pg_relation_size",
      "pg_size_bytes", "pg_size_pretty", "pg_table_is_visible", "pg_table_size", "pg_total_relation_size",
      "pg_type_is_visible", "pg_typeof", "shobj_description", "to_regclass", "to_regproc", "to_regtype", "version"};
  return set;
}

const Set& Lots() {
  static const auto& set = *new Set{"gen_random_uuid", "random", "array_sample", "array_shuffle", "bernoulli", "system"};
  return set;
}

// No function can have such a name, unless it is quoted.
const Set& ReservedBeforeParentheses() {
  static const auto& set = *new Set{
      "all", "and", "any", "array", "as", "asc", "between", "case", "collate", "desc", "distinct", "else", "end",
      "except", "exists", "for", "from", "group", "having", "in", "intersect", "into", "lateral", "limit", "not",
      "offset", "on", "only", "or", "order", "returning", "select", "some", "table", "then", "to", "union", "using",
      "values", "when", "where", "window", "with"};
  return set;
}

// A function can, and so they are none only behind certain words; "" is the beginning.
constexpr std::pair<absl::string_view, absl::string_view> kNoCallBehind[] = {
    {"by", "group"},   {"by", "order"}, {"by", "partition"}, {"explain", ""}, {"filter", ")"},
    {"first", "fetch"}, {"materialized", "as"}, {"over", ")"}, {"sets", "grouping"}};

const Set& SessionFunctions() {
  static const auto& set = *new Set{
      "pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared",
      "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all", "dblink_connect",
      "dblink_connect_u", "setseed", "set_limit", "pg_replication_origin_session_setup", "pg_backup_start", "pg_start_backup"};
  return set;
}

const Set& ReadOnlyWriters() {
  static const auto& set = *new Set{
      "dblink", "dblink_exec", "dblink_send_query", "lo_creat", "lo_create", "lo_export", "lo_from_bytea", "lo_import",
      "lo_open", "lo_put", "lo_truncate", "lo_truncate64", "lo_unlink", "lowrite", "pg_cancel_backend",
      "pg_file_rename", "pg_file_sync", "pg_file_unlink", "pg_file_write", "pg_log_standby_snapshot",
      "pg_copy_logical_replication_slot", "pg_copy_physical_replication_slot", "pg_create_logical_replication_slot",
      "pg_create_physical_replication_slot", "pg_create_restore_point", "pg_drop_replication_slot",
      "pg_import_system_collations", "pg_logical_emit_message", "pg_logical_slot_get_binary_changes", "pg_logical_slot_get_changes", "pg_notify",
      "pg_promote", "pg_reload_conf", "pg_replication_origin_advance", "pg_replication_origin_create",
      "pg_replication_origin_drop", "pg_replication_origin_session_reset", "pg_replication_origin_xact_reset",
      "pg_replication_origin_xact_setup", "pg_replication_slot_advance", "pg_rotate_logfile", "pg_stat_reset", "pg_stat_reset_replication_slot", "pg_stat_reset_shared",
      "pg_stat_reset_single_function_counters", "pg_stat_reset_single_table_counters", "pg_stat_reset_slru",
      "pg_stat_reset_subscription_stats", "pg_stat_statements_reset", "pg_switch_wal", "pg_terminate_backend",
      "pg_wal_replay_pause", "pg_wal_replay_resume"};
  return set;
}

const Set& SqlRunners() {
  static const auto& set = *new Set{"connectby", "crosstab", "crosstab2", "crosstab3", "crosstab4", "crosstabn",
                                    "cursor_to_xml", "cursor_to_xmlschema", "query_to_xml",
                                    "query_to_xml_and_xmlschema", "query_to_xmlschema", "ts_rewrite", "ts_stat",
                                    "xpath_table"};
  return set;
}

const Set& GatewaysSettings() {
  static const auto& set = *new Set{"role", "session_authorization", "transaction_isolation", "transaction_read_only",
                                    "transaction_deferrable", "seed", "client_encoding", "datestyle", "intervalstyle",
                                    "standard_conforming_strings", "extra_float_digits"};
  return set;
}
// clang-format on

bool IsOperator(absl::string_view symbol) {
  return symbol.size() == 1 && absl::ascii_ispunct(static_cast<unsigned char>(symbol[0])) && symbol != ")" &&
         symbol != "_";
}

}  // namespace

bool OnlyReads(absl::string_view function) { return Reads().contains(function); }
bool DrawsLots(absl::string_view function) { return Lots().contains(function); }
bool IsNoCall(absl::string_view word, absl::string_view before) {
  if (ReservedBeforeParentheses().contains(word)) return true;
  // Behind what it joins: a name, or a parenthesis.
  if (word == "join") {
    static const auto& before_a_value = *new Set{"by", "escape", "ilike", "is", "like", "similar"};
    return !before.empty() && !IsOperator(before) && !ReservedBeforeParentheses().contains(before) &&
           !before_a_value.contains(before);
  }
  return std::find(std::begin(kNoCallBehind), std::end(kNoCallBehind), std::make_pair(word, before)) !=
         std::end(kNoCallBehind);
}
bool WritesInReadOnly(absl::string_view function) { return ReadOnlyWriters().contains(function); }
bool RunsSql(absl::string_view function) { return SqlRunners().contains(function); }
bool IsGatewaysSetting(absl::string_view setting) { return GatewaysSettings().contains(setting); }
bool ChangesSession(absl::string_view function) {
  // Asked of every word: most of them are shorter, or begin otherwise.
  const bool may_be = function.size() >= 7 && (function[0] == 'p' || function[0] == 'd' || function[0] == 's');
  return may_be && SessionFunctions().contains(function);
}

}  // namespace sluice::sql
