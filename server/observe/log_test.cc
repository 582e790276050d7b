#include "server/observe/log.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"

namespace sluice::observe {
namespace {

Log::Options Json(size_t queue_length_max = 100) {
  Log::Options options;
  options.format = LogFormat::kJson;
  options.queue_length_max = queue_length_max;
  return options;
}

// What a log of these events has written when it is gone.
std::string LinesOf(const Log::Options& options, const std::vector<Event>& events) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  {
    Log log(options, ends[1]);
    for (const Event& event : events) log.Record(event);
  }
  close(ends[1]);
  std::string lines(1 << 16, '\0');
  lines.resize(static_cast<size_t>(read(ends[0], &lines[0], lines.size())));
  close(ends[0]);
  return lines;
}

CallFinished Call(const absl::Status& status) {
  CallFinished call;
  call.method = "Execute";
  call.caller = "checkout";
  call.status = status;
  return call;
}

TEST(LogTest, AnEventIsALine) {
  const std::string lines = LinesOf(Json(), {GatewayDraining{"SIGTERM"}, GatewayStopped{}});
  EXPECT_NE(lines.find("\"event\":\"gateway_draining\",\"why\":\"SIGTERM\"}\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find("\"event\":\"gateway_stopped\"}\n"), std::string::npos) << lines;
}

TEST(LogTest, CallsThatWentWellAreNoNews) {
  EXPECT_EQ(LinesOf(Json(), {Call(absl::OkStatus())}), "");
  const std::string lines = LinesOf(Json(), {Call(errors::Draining())});
  EXPECT_NE(lines.find("\"reason\":\"DRAINING\",\"outcome\":\"NOT_STARTED\""), std::string::npos) << lines;
}

TEST(LogTest, WithTheirStatementsTheyAre) {
  CallFinished call = Call(absl::OkStatus());
  call.statements = {"SELECT 1"};
  EXPECT_NE(LinesOf(Json(), {call}).find("\"statements\":[\"SELECT 1\"]"), std::string::npos);
}

// A log in a pipe that nobody reads until all has been recorded.
class StuckLogTest : public testing::Test {
 protected:
  StuckLogTest() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe(ends_), 0);
  }
  // What is still to be written can not be: the log ends at once.
  ~StuckLogTest() override {
    close(ends_[0]);
    log_.reset();
    close(ends_[1]);
  }

  void Open(const Log::Options& options) { log_ = std::make_unique<Log>(options, ends_[1]); }

  // All lines up to the one that tells how many are missing.
  std::string ReadUntilDropped() {
    std::string lines;
    char buffer[1 << 16];
    while (lines.find("log_dropped") == std::string::npos) {
      const ssize_t size = read(ends_[0], buffer, sizeof(buffer));
      EXPECT_GT(size, 0);
      if (size <= 0) break;
      lines.append(buffer, static_cast<size_t>(size));
    }
    return lines;
  }

  int ends_[2];
  std::unique_ptr<Log> log_;
};

TEST_F(StuckLogTest, WhatItCanNotWriteIsCountedAndStopsNobody) {
  Open(Json(/*queue_length_max=*/10));
  // 64 KiB fit into the pipe, and ten lines into the queue.
  for (int i = 0; i < 5000; ++i) log_->Record(GatewayDraining{std::string(100, 'x')});
  EXPECT_GT(log_->lines_dropped(), 0);
  EXPECT_NE(ReadUntilDropped().find("log_dropped"), std::string::npos);
}

TEST_F(StuckLogTest, LongStatementsAreBoundedInBytes) {
  Log::Options options = Json();
  options.queue_bytes_max = 1 << 20;
  Open(options);
  CallFinished call = Call(absl::OkStatus());
  call.statements = {std::string(300000, 'x')};
  for (int i = 0; i < 90; ++i) log_->Record(call);
  const std::string lines = ReadUntilDropped();
  // Three that are being written, and three in the queue.
  EXPECT_LE(lines.size(), 7 * 300000);
  EXPECT_GE(lines.size(), 3 * 300000);
}

// Its thread is left alone in the pipe: a process must be able to end. (The pipe stays open, like
// standard error.)
TEST(LogTest, APipeThatNobodyReadsDoesNotKeepItFromEnding) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const absl::Time begin = absl::Now();
  {
    Log log(Json(), ends[1]);
    for (int i = 0; i < 90; ++i) log.Record(GatewayDraining{std::string(10000, 'x')});
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(30));
  char first = 0;
  EXPECT_EQ(read(ends[0], &first, 1), 1);
  EXPECT_EQ(first, '{');
}

}  // namespace
}  // namespace sluice::observe
