// The parts of a Reception that carry COPY's data.

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <memory>

#include "absl/time/clock.h"
#include "server/postgres/reception.h"
#include "server/postgres/socket_input.h"

namespace sluice::postgres {

// False when it was given up. Its end, or the error that ended it, is the next result.
bool Reception::ReceiveCopy() {
  for (;;) {
    char* data = nullptr;
    const int size = PQgetCopyData(connection_, &data, /*async=*/1);
    if (size < 0) return true;
    if (size == 0) {
      // libpq has nothing to say of a connection that is gone, not even that.
      if (PQstatus(connection_) != CONNECTION_OK) return true;
      if (!AwaitMore()) return false;
      continue;
    }
    const std::unique_ptr<char, void (*)(void*)> owner(data, PQfreemem);
    bytes_taken_ = bytes_received_;
    // How much has come is an estimate on a unix socket; what one row has is not.
    if (size > limits_.answer_bytes_max) Cut(CutShort::kBySize);
    // What still comes behind a cut is nobody's.
    if (cut_short_ != CutShort::kNo) {
      has_left_out_ = true;
      continue;
    }
    streams_were_used_ = true;
    if (!streams_.copy_out->Take(absl::string_view(data, size))) Cut(CutShort::kByStream);
  }
}

// The same. PostgreSQL hears of no cancel while it waits for data: here a failure of ours ends it.
bool Reception::SendCopy() {
  copy_in_has_no_end_ = true;
  const DataSent sent = SendData();
  if (sent == DataSent::kGivenUp) return false;
  if (sent == DataSent::kAll) copy_in_has_no_end_ = false;
  // Also on a broken connection: only then libpq looks for the server's last words.
  PQputCopyEnd(connection_, sent == DataSent::kAll ? nullptr : "the gateway was not given all of it");
  return SendAll();
}

Reception::DataSent Reception::SendData() {
  // How often the server is listened to while the source has nothing.
  constexpr absl::Duration kLook = absl::Milliseconds(100);
  while (may_go_on()) {
    absl::string_view data;
    switch (streams_.copy_in->Next(&data, std::min(limits_.deadline, absl::Now() + kLook))) {
      case CopySource::Given::kData:
        streams_were_used_ = true;
        if (const DataSent sent = SendPieces(data); sent != DataSent::kAll) return sent;
        break;
      case CopySource::Given::kEnd:
        // Whoever has not been told cannot commit: what is found dead here is rolled back.
        HearServer();
        return PQstatus(connection_) == CONNECTION_OK ? DataSent::kAll : DataSent::kNotAll;
      case CopySource::Given::kNothing: break;
      case CopySource::Given::kStop:
        streams_were_used_ = true;
        CutWithoutCancel(CutShort::kByStream);
        return DataSent::kNotAll;
    }
    const absl::Time now = absl::Now();
    if (now >= limits_.deadline) {
      CutWithoutCancel(CutShort::kByDeadline);
    } else if (interrupt_->raised()) {
      CutWithoutCancel(CutShort::kByCaller);
    }
    HearServer();
  }
  return DataSent::kNotAll;
}

// Of a size that a socket with some room takes whole: libpq reads what comes while it waits for room, and then nobody
// knows that something came.
Reception::DataSent Reception::SendPieces(absl::string_view data) {
  constexpr size_t kPieceBytes = 32 << 10;
  while (!data.empty()) {
    const absl::string_view piece = data.substr(0, kPieceBytes);
    data.remove_prefix(piece.size());
    if (!AwaitRoom()) return DataSent::kGivenUp;
    if (!may_go_on()) return DataSent::kNotAll;
    // 0: no memory for it, so that it is not sent.
    if (PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size())) != 1) return DataSent::kNotAll;
    if (!SendAll()) return DataSent::kGivenUp;
  }
  return DataSent::kAll;
}

// False when the wait is given up.
bool Reception::AwaitRoom() {
  for (;;) {
    pollfd socket = {PQsocket(connection_), POLLIN | POLLOUT, 0};
    const bool is_broken = poll(&socket, 1, 0) < 0 || PQsocket(connection_) < 0;
    if ((socket.revents & ~POLLOUT) != 0) HearServer();
    if (is_broken || (socket.revents & POLLOUT) != 0 || !may_go_on()) return true;
    if (!AwaitSocket(POLLIN | POLLOUT)) return false;
  }
}

// Until libpq keeps nothing back. False when that is given up; a broken connection is the next result's word.
bool Reception::SendAll() {
  while (PQflush(connection_) > 0) {
    if (!AwaitSocket(POLLIN | POLLOUT)) return false;
    HearServer();
  }
  return true;
}

// While it takes data a server says nothing but notices, and the error that ends the COPY: which libpq keeps
// to itself until we end it as well. So what comes and is no notice is an error, unless it is the first part of a
// notice. (An error that comes in one piece with a notice is heard at the end only. And PostgreSQL 13 and before tell
// at once of a setting that a trigger changes, which is taken for an error.)
void Reception::HearServer() {
  if (!HasInput(connection_)) return;
  const int64_t before = notices_;
  PQconsumeInput(connection_);
  PQisBusy(connection_);  // parses
  spoken_at_ = notices_ > before ? absl::InfiniteFuture() : std::min(spoken_at_, absl::Now());
}

bool Reception::may_go_on() const {
  constexpr absl::Duration kRestOfNotice = absl::Seconds(1);
  return cut_short_ == CutShort::kNo && PQstatus(connection_) == CONNECTION_OK &&
         absl::Now() < spoken_at_ + kRestOfNotice;
}

}  // namespace sluice::postgres
