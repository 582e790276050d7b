#ifndef SLUICE_TESTS_SUPPORT_FAULT_PROXY_H_
#define SLUICE_TESTS_SUPPORT_FAULT_PROXY_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "tests/support/temp_dir.h"

namespace sluice::testing_support {

// The bad network between a gateway and a database: passes bytes on, as late and as badly
// as it is told. Requests to cancel come through it as well, each on a connection of its own.
class FaultProxy {
 public:
  enum class Way { kToServer, kToClient };

  // In front of the unix socket at `server_path`.
  explicit FaultProxy(const std::string& server_path);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::string Url() const;
  // Of its own unix socket.
  const std::string& socket_directory() const { return directory_.path(); }
  std::string socket_path() const { return directory_.File(".s.PGSQL.5432"); }

  // From now on each byte arrives this much later. A round trip takes twice as long.
  void Delay(absl::Duration each_way);
  // Nothing passes this way until Release; the connections stay, as if a cable were out.
  void Hold(Way way);
  // The same from the moment on at which `bytes` would pass. They must come in one piece.
  void HoldFrom(Way way, const std::string& bytes);
  void Release(Way way);
  // Bytes that are held back now.
  int64_t held_bytes(Way way) const;
  // How much has come this way that has one of the texts in it: of clients that wait for each answer, so many
  // messages. Of the first 1,000.
  int64_t PiecesWith(Way way, const std::vector<std::string>& texts) const;
  // The next time that `bytes` would pass this way, what came before them passes, and that
  // connection is cut instead. They must come in one piece.
  void CutBefore(Way way, const std::string& bytes);
  // So many bytes pass this way from now on, of all connections together; the one that has the next one is cut instead.
  void CutAfter(Way way, int64_t bytes);
  void CutAll();
  // From now on about one byte in `one_in` of what passes this way is another one; 0: none.
  void Corrupt(Way way, int one_in);

 private:
  struct Link;
  struct Stream;

  void Run();
  void Accept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Receive(Stream* stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool PassOn(Stream* stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Serve(Link* link, bool client_ready, bool server_ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake() const;

  TempDir directory_;
  const std::string server_path_;
  int listener_;
  int wake_;

  mutable Mutex mu_;
  absl::Duration delay_ ABSL_GUARDED_BY(mu_);
  bool held_[2] ABSL_GUARDED_BY(mu_) = {false, false};
  std::vector<std::string> pieces_[2] ABSL_GUARDED_BY(mu_);
  std::string hold_from_[2] ABSL_GUARDED_BY(mu_);
  std::string cut_before_[2] ABSL_GUARDED_BY(mu_);
  std::optional<int64_t> cut_after_[2] ABSL_GUARDED_BY(mu_);
  int corrupt_one_in_[2] ABSL_GUARDED_BY(mu_) = {0, 0};
  std::mt19937 random_ ABSL_GUARDED_BY(mu_){20221110};
  bool cut_all_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Link> links_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;
};

}  // namespace sluice::testing_support

#endif  // SLUICE_TESTS_SUPPORT_FAULT_PROXY_H_
