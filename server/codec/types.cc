#include "server/codec/types.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace sluice::codec {
namespace {

// clang-format off
constexpr Type kTypes[] = {
    {16, 1000, "bool", "boolean", v1::COLUMN_KIND_BOOL},
    {17, 1001, "bytea", "bytea", v1::COLUMN_KIND_BYTES},
    {18, 1002, "char", "\"char\"", v1::COLUMN_KIND_TEXT},
    {19, 1003, "name", "name", v1::COLUMN_KIND_TEXT},
    {20, 1016, "int8", "bigint", v1::COLUMN_KIND_INT64},
    {21, 1005, "int2", "smallint", v1::COLUMN_KIND_INT32},
    {22, 1006, "int2vector", "int2vector", v1::COLUMN_KIND_OTHER},
    {23, 1007, "int4", "integer", v1::COLUMN_KIND_INT32},
    {24, 1008, "regproc", "regproc", v1::COLUMN_KIND_OTHER},
    {25, 1009, "text", "text", v1::COLUMN_KIND_TEXT},
    {26, 1028, "oid", "oid", v1::COLUMN_KIND_INT64},
    {27, 1010, "tid", "tid", v1::COLUMN_KIND_OTHER},
    {28, 1011, "xid", "xid", v1::COLUMN_KIND_OTHER},
    {29, 1012, "cid", "cid", v1::COLUMN_KIND_OTHER},
    {30, 1013, "oidvector", "oidvector", v1::COLUMN_KIND_OTHER},
    {114, 199, "json", "json", v1::COLUMN_KIND_JSON},
    {142, 143, "xml", "xml", v1::COLUMN_KIND_OTHER},
    {194, 0, "pg_node_tree", "pg_node_tree", v1::COLUMN_KIND_OTHER},
    {600, 1017, "point", "point", v1::COLUMN_KIND_OTHER},
    {601, 1018, "lseg", "lseg", v1::COLUMN_KIND_OTHER},
    {602, 1019, "path", "path", v1::COLUMN_KIND_OTHER},
    {603, 1020, "box", "box", v1::COLUMN_KIND_OTHER},
    {604, 1027, "polygon", "polygon", v1::COLUMN_KIND_OTHER},
    {628, 629, "line", "line", v1::COLUMN_KIND_OTHER},
    {650, 651, "cidr", "cidr", v1::COLUMN_KIND_OTHER},
    {700, 1021, "float4", "real", v1::COLUMN_KIND_DOUBLE},
    {701, 1022, "float8", "double precision", v1::COLUMN_KIND_DOUBLE},
    {705, 0, "unknown", "unknown", v1::COLUMN_KIND_OTHER},
    {718, 719, "circle", "circle", v1::COLUMN_KIND_OTHER},
    {774, 775, "macaddr8", "macaddr8", v1::COLUMN_KIND_OTHER},
    {790, 791, "money", "money", v1::COLUMN_KIND_OTHER},
    {829, 1040, "macaddr", "macaddr", v1::COLUMN_KIND_OTHER},
    {869, 1041, "inet", "inet", v1::COLUMN_KIND_OTHER},
    {1033, 1034, "aclitem", "aclitem", v1::COLUMN_KIND_OTHER},
    {1042, 1014, "bpchar", "character", v1::COLUMN_KIND_TEXT},
    {1043, 1015, "varchar", "character varying", v1::COLUMN_KIND_TEXT},
    {1082, 1182, "date", "date", v1::COLUMN_KIND_DATE},
    {1083, 1183, "time", "time without time zone", v1::COLUMN_KIND_TIME},
    {1114, 1115, "timestamp", "timestamp without time zone", v1::COLUMN_KIND_TIMESTAMP},
    {1184, 1185, "timestamptz", "timestamp with time zone", v1::COLUMN_KIND_TIMESTAMPTZ},
    {1186, 1187, "interval", "interval", v1::COLUMN_KIND_INTERVAL},
    {1266, 1270, "timetz", "time with time zone", v1::COLUMN_KIND_TIME},
    {1560, 1561, "bit", "bit", v1::COLUMN_KIND_OTHER},
    {1562, 1563, "varbit", "bit varying", v1::COLUMN_KIND_OTHER},
    {1700, 1231, "numeric", "numeric", v1::COLUMN_KIND_NUMERIC},
    {1790, 2201, "refcursor", "refcursor", v1::COLUMN_KIND_OTHER},
    {2202, 2207, "regprocedure", "regprocedure", v1::COLUMN_KIND_OTHER},
    {2203, 2208, "regoper", "regoper", v1::COLUMN_KIND_OTHER},
    {2204, 2209, "regoperator", "regoperator", v1::COLUMN_KIND_OTHER},
    {2205, 2210, "regclass", "regclass", v1::COLUMN_KIND_OTHER},
    {2206, 2211, "regtype", "regtype", v1::COLUMN_KIND_OTHER},
    {2249, 2287, "record", "record", v1::COLUMN_KIND_OTHER},
    {2275, 1263, "cstring", "cstring", v1::COLUMN_KIND_OTHER},
    {2278, 0, "void", "void", v1::COLUMN_KIND_OTHER},
    {2950, 2951, "uuid", "uuid", v1::COLUMN_KIND_UUID},
    {2970, 2949, "txid_snapshot", "txid_snapshot", v1::COLUMN_KIND_OTHER},
    {3220, 3221, "pg_lsn", "pg_lsn", v1::COLUMN_KIND_OTHER},
    {3361, 0, "pg_ndistinct", "pg_ndistinct", v1::COLUMN_KIND_OTHER},
    {3402, 0, "pg_dependencies", "pg_dependencies", v1::COLUMN_KIND_OTHER},
    {3614, 3643, "tsvector", "tsvector", v1::COLUMN_KIND_OTHER},
    {3615, 3645, "tsquery", "tsquery", v1::COLUMN_KIND_OTHER},
    {3642, 3644, "gtsvector", "gtsvector", v1::COLUMN_KIND_OTHER},
    {3734, 3735, "regconfig", "regconfig", v1::COLUMN_KIND_OTHER},
    {3769, 3770, "regdictionary", "regdictionary", v1::COLUMN_KIND_OTHER},
    {3802, 3807, "jsonb", "jsonb", v1::COLUMN_KIND_JSON},
    {3904, 3905, "int4range", "int4range", v1::COLUMN_KIND_OTHER},
    {3906, 3907, "numrange", "numrange", v1::COLUMN_KIND_OTHER},
    {3908, 3909, "tsrange", "tsrange", v1::COLUMN_KIND_OTHER},
    {3910, 3911, "tstzrange", "tstzrange", v1::COLUMN_KIND_OTHER},
    {3912, 3913, "daterange", "daterange", v1::COLUMN_KIND_OTHER},
    {3926, 3927, "int8range", "int8range", v1::COLUMN_KIND_OTHER},
    {4072, 4073, "jsonpath", "jsonpath", v1::COLUMN_KIND_OTHER},
    {4089, 4090, "regnamespace", "regnamespace", v1::COLUMN_KIND_OTHER},
    {4096, 4097, "regrole", "regrole", v1::COLUMN_KIND_OTHER},
    {4191, 4192, "regcollation", "regcollation", v1::COLUMN_KIND_OTHER},
    {4451, 6150, "int4multirange", "int4multirange", v1::COLUMN_KIND_OTHER},
    {4532, 6151, "nummultirange", "nummultirange", v1::COLUMN_KIND_OTHER},
    {4533, 6152, "tsmultirange", "tsmultirange", v1::COLUMN_KIND_OTHER},
    {4534, 6153, "tstzmultirange", "tstzmultirange", v1::COLUMN_KIND_OTHER},
    {4535, 6155, "datemultirange", "datemultirange", v1::COLUMN_KIND_OTHER},
    {4536, 6157, "int8multirange", "int8multirange", v1::COLUMN_KIND_OTHER},
    {4600, 0, "pg_brin_bloom_summary", "pg_brin_bloom_summary", v1::COLUMN_KIND_OTHER},
    {4601, 0, "pg_brin_minmax_multi_summary", "pg_brin_minmax_multi_summary", v1::COLUMN_KIND_OTHER},
    {5017, 0, "pg_mcv_list", "pg_mcv_list", v1::COLUMN_KIND_OTHER},
    {5038, 5039, "pg_snapshot", "pg_snapshot", v1::COLUMN_KIND_OTHER},
    {5069, 271, "xid8", "xid8", v1::COLUMN_KIND_OTHER},
};
// clang-format on

// Names that the grammar knows and pg_catalog does not.
constexpr struct {
  const char* alias;
  const char* name;
} kAliases[] = {
    {"boolean", "bool"},
    {"smallint", "int2"},
    {"int", "int4"},
    {"integer", "int4"},
    {"bigint", "int8"},
    {"real", "float4"},
    {"float", "float8"},
    {"double precision", "float8"},
    {"decimal", "numeric"},
    {"dec", "numeric"},
    // Plain char is char(1) and would cut the value.
    {"character", "bpchar"},
    {"char", "bpchar"},
    {"character varying", "varchar"},
    {"char varying", "varchar"},
    {"bit varying", "varbit"},
    {"time without time zone", "time"},
    {"time with time zone", "timetz"},
    {"timestamp without time zone", "timestamp"},
    {"timestamp with time zone", "timestamptz"},
};

using ByOid = absl::flat_hash_map<uint32_t, const Type*>;
using ByName = absl::flat_hash_map<absl::string_view, const Type*>;

const Type* Find(const ByOid& types, uint32_t oid) {
  auto found = types.find(oid);
  return found == types.end() ? nullptr : found->second;
}

ByName* IndexNames() {
  auto* names = new ByName;
  for (const Type& type : kTypes) (*names)[type.name] = &type;
  const ByName by_own_name = *names;
  for (const auto& alias : kAliases) (*names)[alias.alias] = by_own_name.at(alias.name);
  return names;
}

// The fields of an interval's modifier: its upper half is a mask.
std::string FormatInterval(int32_t modifier) {
  constexpr int kYear = 1 << 2, kMonth = 1 << 1, kDay = 1 << 3, kHour = 1 << 10, kMinute = 1 << 11, kSecond = 1 << 12;
  constexpr int kAnyPrecision = 0xffff;
  static const auto& fields =
      *new absl::flat_hash_map<int, absl::string_view>{{kYear, " year"},
                                                       {kMonth, " month"},
                                                       {kDay, " day"},
                                                       {kHour, " hour"},
                                                       {kMinute, " minute"},
                                                       {kSecond, " second"},
                                                       {kYear | kMonth, " year to month"},
                                                       {kDay | kHour, " day to hour"},
                                                       {kDay | kHour | kMinute, " day to minute"},
                                                       {kDay | kHour | kMinute | kSecond, " day to second"},
                                                       {kHour | kMinute, " hour to minute"},
                                                       {kHour | kMinute | kSecond, " hour to second"},
                                                       {kMinute | kSecond, " minute to second"}};
  std::string text = "interval";
  auto found = fields.find((modifier >> 16) & 0x7fff);
  if (found != fields.end()) absl::StrAppend(&text, found->second);
  const int precision = modifier & 0xffff;
  if (precision != kAnyPrecision) absl::StrAppend(&text, "(", precision, ")");
  return text;
}

// The precision of a time goes behind its first word: "time(3) without time zone".
std::string WithPrecision(absl::string_view name, int32_t precision) {
  const size_t word = name.find(' ');
  return absl::StrCat(name.substr(0, word), "(", precision, ")", name.substr(word));
}

}  // namespace

const Type* FindType(uint32_t oid) {
  static const auto& types = *[] {
    auto* map = new ByOid;
    for (const Type& type : kTypes) (*map)[type.oid] = &type;
    return map;
  }();
  return Find(types, oid);
}

const Type* FindElementType(uint32_t array_oid) {
  static const auto& types = *[] {
    auto* map = new ByOid;
    for (const Type& type : kTypes) {
      if (type.array_oid != 0) (*map)[type.array_oid] = &type;
    }
    return map;
  }();
  return Find(types, array_oid);
}

const Type* FindTypeByName(absl::string_view name) {
  static const auto& types = *IndexNames();
  auto found = types.find(name);
  return found == types.end() ? nullptr : found->second;
}

std::string FormatType(const Type& type, int32_t modifier) {
  constexpr int32_t kHeaderSize = 4;  // VARHDRSZ, which some modifiers include
  const absl::string_view name = type.name;
  if (modifier < 0) {
    // "character" alone would mean char(1), and so with bit.
    if (name == "bpchar") return "bpchar";
    if (name == "bit") return "\"bit\"";
    return type.display_name;
  }
  if (name == "numeric") {
    const int32_t packed = modifier - kHeaderSize;
    const int32_t scale = ((packed & 0x7ff) ^ 1024) - 1024;
    return absl::StrCat("numeric(", (packed >> 16) & 0xffff, ",", scale, ")");
  }
  if (name == "interval") return FormatInterval(modifier);
  if (type.kind == v1::COLUMN_KIND_TIME || type.kind == v1::COLUMN_KIND_TIMESTAMP ||
      type.kind == v1::COLUMN_KIND_TIMESTAMPTZ) {
    return WithPrecision(type.display_name, modifier);
  }
  if (name == "bpchar" || name == "varchar") return absl::StrCat(type.display_name, "(", modifier - kHeaderSize, ")");
  return absl::StrCat(type.display_name, "(", modifier, ")");
}

}  // namespace sluice::codec
