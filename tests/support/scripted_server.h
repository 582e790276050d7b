#ifndef SLUICE_TESTS_SUPPORT_SCRIPTED_SERVER_H_
#define SLUICE_TESTS_SUPPORT_SCRIPTED_SERVER_H_

#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// Speaks enough of PostgreSQL's protocol to stand where a pooler stands, and says what a
// test told it to say: for what the real ones say rarely, and for poolers that can not be
// had here. Lets everybody in, and answers every statement ("SELECT" with a row of 1).
//
// It tells one process number at login and another one in SELECT pg_backend_pid(), as every
// pooler does.
class ScriptedServer {
 public:
  // A point in the answer to a message.
  enum class When {
    kAtLogin,         // instead of letting the client in
    kInQueue,         // before anything ran
    kAfterPrelude,    // the results of the leading SETs have been sent
    kBetweenResults,  // the first statement's result, too
    kAfterResults,    // all results, but not that the server is ready again
    kOnceReady        // right behind the whole answer
  };
  struct Words {
    std::string severity, sqlstate, message;
    // Closes the connection; else the session goes on.
    bool hangs_up = true;
    // 1-based, in the whole message.
    int position = 0;
  };

  struct Manners {
    // Takes messages, and answers them when it is silent no more.
    bool is_silent = false;
    // Takes requests to cancel, and never closes their connections, as PostgreSQL would.
    bool holds_cancels = false;
    // As PgDog does: SET beside other statements is an error.
    bool refuses_set_beside_statements = false;
    bool refuses_startup_options = false;
  };

  ScriptedServer();
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string Url() const;

  // Says it the next time that a message comes to this point, but not to the question about
  // itself that opens a session. Words of several calls are said one after the other.
  void SayOnce(When when, const Words& words);
  void Behave(const Manners& manners);
  Manners manners() const;

  // How often a statement has come, by its text.
  int times_received(const std::string& statement) const;
  int cancels_received() const;
  // The whole text of the last message.
  std::string last_message() const;

 private:
  class Session;

  void Accept();
  // Returns once it is not silent (any more).
  void AwaitVoice();
  // The next words for this point, if there are any.
  bool Next(When when, Words* words);
  void Count(const std::string& message, const std::vector<std::string>& statements);

  TempDir directory_;
  int listener_;

  mutable Mutex mu_;
  CondVar changed_;
  std::map<When, std::deque<Words>> script_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int> received_ ABSL_GUARDED_BY(mu_);
  std::string last_message_ ABSL_GUARDED_BY(mu_);
  int cancels_ ABSL_GUARDED_BY(mu_) = 0;
  Manners manners_ ABSL_GUARDED_BY(mu_);
  std::vector<int> sockets_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> sessions_ ABSL_GUARDED_BY(mu_);

  std::thread acceptor_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_SCRIPTED_SERVER_H_
