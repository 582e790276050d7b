#ifndef SLUICE_SERVER_ADMIN_POOLER_H_
#define SLUICE_SERVER_ADMIN_POOLER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/postgres/connection.h"

namespace sluice::admin {

// Opens one more session like the one that is examined; null if it can not be had.
using OpenSession = std::function<std::unique_ptr<postgres::Connection>(postgres::Connection::OpenFailure* failure)>;

// The one value of a statement with a one-row answer; nullopt on failure.
std::optional<std::string> AskOne(postgres::Connection* connection, absl::string_view sql);

// No server has it, so that every server takes it as a startup option, and tells what it got.
constexpr char kProbeSetting[] = "sluice.probe";

// Which pooler is in between, by the way each has with things that the others do otherwise.
// `with_startup_option` opens a session that asks for kProbeSetting=taken.
std::string NameOfPooler(postgres::Connection* connection, const OpenSession& with_startup_option);

// For how long a pooler gives a session its backend.
enum class PoolingMode { kUnknown, kSession, kTransaction, kStatement };

// "session", ...
absl::string_view PoolingModeName(PoolingMode mode);

// By what two sessions at once share.
PoolingMode FindPoolingMode(postgres::Connection* connection, const OpenSession& open);

}  // namespace sluice::admin

#endif  // SLUICE_SERVER_ADMIN_POOLER_H_
