#include "server/query/describe.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/codec/row_batch.h"
#include "server/query/leg.h"
#include "server/query/outcome.h"
#include "server/query/subquery.h"

namespace sluice::query {
namespace {

// On lines of their own: the statement may end in a -- comment.
constexpr absl::string_view kLookBegin = "SELECT * FROM (\n", kLookEnd = "\n) AS described LIMIT 0";
constexpr absl::string_view kExplainBegin = "EXPLAIN (FORMAT JSON)\n";

// What is wrong in a subquery, and may be right at the top: a writing WITH, SELECT INTO, FOR UPDATE in a READ ONLY
// transaction.
bool IsOfTheLook(const postgres::FlightFailure& failure) {
  const std::string& code = failure.error.sqlstate;
  return failure.is_verdict && failure.statement == 0 && (code == "0A000" || code == "42601" || code == "25006");
}

}  // namespace

absl::StatusOr<Description> Description::Of(v1::DescribeRequest* request, const auth::Caller& caller,
                                            const Limits& limits, sql::StatementBook* book) {
  Description description;
  v1::Statement* statement = request->mutable_statement();
  // The text is read as it would be with parameters, as long as it has any.
  absl::StatusOr<std::shared_ptr<sql::KnownStatement>> read = book->Read(statement->sql(), /*has_parameters=*/true);
  if (read.ok()) {
    for (const sql::Placeholder& placeholder : (*read)->facts.placeholders) {
      description.parameter_count_ = std::max(description.parameter_count_, placeholder.number);
    }
  }
  if (statement->params().empty()) {
    for (int i = 0; i < description.parameter_count_; ++i) {
      statement->add_params()->set_null_value(google::protobuf::NULL_VALUE);
    }
  }
  ASSIGN_OR_RETURN(description.plan_, PlanDescribe(*request, caller, limits, book));

  const PlannedStatement& planned = description.plan_.statements[0];
  const sql::Statement& facts = planned.bound.facts();
  description.wants_plan_ = request->plan();
  const bool has_plan = facts.is_plannable && facts.keyword != "EXPLAIN" && facts.keyword != "SHOW";
  const bool is_query = facts.is_query && has_plan;
  const Subquery shape = ReadAsSubquery(planned.bound.text);
  if (is_query && !shape.closes_too_much_at.has_value())
    description.look_ = absl::StrCat(kLookBegin, shape.text, kLookEnd);
  if (has_plan) description.explain_ = absl::StrCat(kExplainBegin, planned.bound.text);
  description.has_no_columns_ = has_plan && !facts.is_query && !shape.has_returning;
  return description;
}

TurnEnd Description::Find(TypeCatalog* types, Turn* turn, v1::DescribeResponse* response) const {
  if (const absl::Status strings = CheckStrings(plan_, {0, 1}, *turn); !strings.ok()) return {strings};
  response->set_parameter_count(parameter_count_);
  response->set_looks_read_only(plan_.statements[0].bound.facts().looks_read_only);
  response->set_columns_known(has_no_columns_);
  if (look_.empty() && explain_.empty()) return {absl::OkStatus()};

  postgres::FlightReport report = Fly(!look_.empty(), turn);
  const bool can_not_be_looked_at = !look_.empty() && report.failure.has_value() && IsOfTheLook(*report.failure);
  if (can_not_be_looked_at) report = Fly(/*looks=*/false, turn);
  const bool looked = !look_.empty() && !can_not_be_looked_at;
  if (report.failure.has_value()) return EndOfFailure(*report.failure, looked, turn);
  if (looked) {
    const postgres::Result& look = report.results[0];
    const std::vector<codec::ColumnType> known = types->ColumnTypes(look, turn);
    for (int i = 0; i < look.column_count(); ++i) {
      codec::DescribeColumn(look.column(i), known[i], plan_.timestamps_as_text, response->add_columns());
    }
    response->set_columns_known(true);
  }
  if (wants_plan_) response->set_plan_json(std::string(report.results.back().Text(0, 0)));
  *response->mutable_info() = InfoOf(turn->cost());
  return {absl::OkStatus()};
}

postgres::FlightReport Description::Fly(bool looks, Turn* turn) const {
  postgres::Flight flight;
  flight.identity = plan_.identity;
  flight.read_only = true;
  flight.answer_bytes_max = plan_.answer_bytes_max;
  if (looks) flight.statements.push_back(look_);
  if (wants_plan_ || !looks) flight.statements.push_back(explain_);
  return turn->Fly(flight);
}

TurnEnd Description::EndOfFailure(postgres::FlightFailure failure, bool looked, Turn* turn) const {
  const bool at_look = looked && failure.statement == 0;
  const int before = static_cast<int>(at_look ? kLookBegin.size() : kExplainBegin.size());
  failure.position = std::max(0, failure.position - before);
  return {ToStatus(failure, plan_, plan_.statements[0], *turn), AskAgain(failure, turn)};
}

}  // namespace sluice::query
