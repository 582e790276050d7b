#include "tests/support/direct.h"

#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>

namespace sluice::testing_support {
namespace {

Direct::Answer Read(PGresult* result) {
  Direct::Answer answer;
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    answer.sqlstate = sqlstate == nullptr ? "?????" : sqlstate;
    answer.error = PQresultErrorMessage(result);
  }
  for (int column = 0; column < PQnfields(result); ++column) answer.type_oids.push_back(PQftype(result, column));
  for (int row = 0; row < PQntuples(result); ++row) {
    auto& values = answer.rows.emplace_back();
    for (int column = 0; column < PQnfields(result); ++column) {
      if (PQgetisnull(result, row, column)) {
        values.push_back(std::nullopt);
      } else {
        values.push_back(std::string(PQgetvalue(result, row, column), PQgetlength(result, row, column)));
      }
    }
  }
  PQclear(result);
  return answer;
}

}  // namespace

Direct::Direct(const std::string& connection_string) : connection_(PQconnectdb(connection_string.c_str())) {
  if (PQstatus(connection_) == CONNECTION_OK) {
    PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr);
    return;
  }
  std::fprintf(stderr, "%s\n", PQerrorMessage(connection_));
  std::abort();
}

Direct::~Direct() { PQfinish(connection_); }

bool Direct::IsReachable(const std::string& connection_string) {
  return PQping(connection_string.c_str()) == PQPING_OK;
}

std::string Direct::ConnectError(const std::string& connection_string, const std::function<void()>& while_connected) {
  PGconn* connection = PQconnectdb(connection_string.c_str());
  std::string error;
  if (PQstatus(connection) != CONNECTION_OK) {
    error = PQerrorMessage(connection);
  } else {
    PGresult* result = PQexec(connection, "SELECT 1");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) error = PQerrorMessage(connection);
    PQclear(result);
    if (error.empty()) while_connected();
  }
  PQfinish(connection);
  return error;
}

Direct::Answer Direct::Execute(const std::string& sql) { return Read(PQexec(connection_, sql.c_str())); }

Direct::Answer Direct::ExecuteBound(const std::string& sql, const std::vector<Parameter>& parameters) {
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const Parameter& parameter : parameters) {
    types.push_back(parameter.type_oid);
    values.push_back(parameter.text.has_value() ? parameter.text->data() : nullptr);
    lengths.push_back(parameter.text.has_value() ? static_cast<int>(parameter.text->size()) : 0);
    formats.push_back(parameter.binary ? 1 : 0);
  }
  return Read(PQexecParams(connection_, sql.c_str(), static_cast<int>(parameters.size()), types.data(), values.data(),
                           lengths.data(), formats.data(), 0));
}

std::string Direct::Value(const std::string& sql) {
  const Answer answer = Execute(sql);
  if (!answer.sqlstate.empty() || answer.rows.size() != 1 || answer.rows[0].size() != 1) {
    std::fprintf(stderr, "%s: %s\n", sql.c_str(), answer.error.c_str());
    std::abort();
  }
  return answer.rows[0][0].value_or("NULL");
}

void Direct::Run(const std::string& sql) {
  const Answer answer = Execute(sql);
  if (answer.sqlstate.empty()) return;
  std::fprintf(stderr, "%s: %s\n", sql.c_str(), answer.error.c_str());
  std::abort();
}

}  // namespace sluice::testing_support
