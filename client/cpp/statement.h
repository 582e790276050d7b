#ifndef SLUICE_CLIENT_CPP_STATEMENT_H_
#define SLUICE_CLIENT_CPP_STATEMENT_H_

#include "absl/strings/string_view.h"
#include "client/cpp/value.h"
#include "sluice/v1/value.pb.h"

namespace sluice::client {

// A statement with its parameters: Statement("... $1 ... $2", 42, "text"). value.h tells how
// C++ types become PostgreSQL's.
class Statement {
 public:
  template <typename... Params>
  explicit Statement(absl::string_view sql, const Params&... params) {
    proto_.set_sql(sql.data(), sql.size());
    (SetValue(params, proto_.add_params()), ...);
  }

  const v1::Statement& proto() const { return proto_; }
  v1::Statement* mutable_proto() { return &proto_; }

 private:
  v1::Statement proto_;
};

}  // namespace sluice::client

#endif  // SLUICE_CLIENT_CPP_STATEMENT_H_
