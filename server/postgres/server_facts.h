#ifndef SLUICE_SERVER_POSTGRES_SERVER_FACTS_H_
#define SLUICE_SERVER_POSTGRES_SERVER_FACTS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/postgres/jit.h"
#include "server/postgres/result.h"

struct pg_conn;

namespace sluice::postgres {

// What was found on the other side when a session was opened.
struct ServerFacts {
  std::string server_version;     // "15.18 (Debian 15.18-0+deb12u1)"
  int server_version_number = 0;  // 150018
  int backend_pid = 0;            // the real one
  bool behind_pooler = false;     // the pid it was told at login is another one
  bool has_cancel_key = true;
  bool read_only = false;  // default_transaction_read_only, or a standby
  bool in_recovery = false;
  bool tls = false;
  bool standard_conforming_strings = true;
  // How values are written at first; what reads them relies on it.
  std::string date_style, interval_style;
  int extra_float_digits = 1;
  // The isolation of transactions that ask for none is READ COMMITTED, or READ UNCOMMITTED, which is the
  // same.
  bool reads_committed = true;
  // Of the role, database or server, where nobody sets another; infinite if there is none.
  absl::Duration statement_timeout = absl::InfiniteDuration();
  JitFinding jit;
};

// The statement that asks a server about itself, and how to read its one row.
absl::string_view QuestionAboutServer();
ServerFacts ReadServerFacts(const Result& answer, pg_conn* connection);

// A setting as the server last reported it by itself, which it does for some ("client_encoding",
// "DateStyle", "standard_conforming_strings"); empty for the others.
absl::string_view ReportedSetting(pg_conn* connection, const char* name);

}  // namespace sluice::postgres

#endif  // SLUICE_SERVER_POSTGRES_SERVER_FACTS_H_
