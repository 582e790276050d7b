#include "client/cli/describe_sql.h"

namespace sluice::cli {
namespace {

constexpr char kTables[] =
    "SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned "
    "table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN "
    "'sequence' END AS kind, pg_catalog.pg_get_userbyid(c.relowner) AS owner FROM pg_catalog.pg_class c JOIN "
    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND "
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2";

constexpr char kColumns[] =
    "SELECT a.attname AS column, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, CASE WHEN a.attnotnull THEN "
    "'not null' ELSE '' END AS nullable, coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS default FROM "
    "pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    "WHERE "
    "a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

constexpr char kIndexesAndConstraints[] =
    "SELECT pg_catalog.pg_get_indexdef(i.indexrelid) AS \"indexes and constraints\" FROM pg_catalog.pg_index i WHERE "
    "i.indrelid = $1::pg_catalog.regclass UNION ALL SELECT 'CONSTRAINT ' || c.conname || ' ' || "
    "pg_catalog.pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint c WHERE c.conrelid = "
    "$1::pg_catalog.regclass AND c.contype IN ('c', 'f')";

constexpr char kSchemas[] =
    "SELECT nspname AS schema, pg_catalog.pg_get_userbyid(nspowner) AS owner FROM pg_catalog.pg_namespace WHERE "
    "nspname "
    "!~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1";

constexpr char kFunctions[] =
    "SELECT n.nspname AS schema, p.proname AS name, pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments, "
    "pg_catalog.pg_get_function_result(p.oid) AS result FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON "
    "n.oid "
    "= p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.proname LIKE '%' || $1 || "
    "'%' ORDER BY 1, 2";

constexpr char kRoles[] =
    "SELECT rolname AS role, rolcanlogin AS login, rolsuper AS superuser, rolbypassrls AS bypasses_rls FROM "
    "pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1";

}  // namespace

std::vector<client::Statement> DescribingStatements(absl::string_view command, const std::string& argument) {
  using client::Statement;
  if (command == "\\dt" || (command == "\\d" && argument.empty())) return {Statement(kTables)};
  if (command == "\\d") return {Statement(kColumns, argument), Statement(kIndexesAndConstraints, argument)};
  if (command == "\\dn") return {Statement(kSchemas)};
  if (command == "\\df") return {Statement(kFunctions, argument)};
  if (command == "\\du") return {Statement(kRoles)};
  return {};
}

}  // namespace sluice::cli
