#include "server/observe/log.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

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

// A pipe that nobody reads: calls must go on, and the log must say what is missing.
TEST(LogTest, WhatItCanNotWriteIsCountedAndStopsNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::string read;
  {
    Log log(Json(/*queue_length_max=*/10), ends[1]);
    // 64 KiB fit into the pipe, and ten lines into the queue.
    for (int i = 0; i < 5000; ++i) log.Record(GatewayDraining{std::string(100, 'x')});
    char buffer[1 << 16];
    while (read.find("log_dropped") == std::string::npos) {
      const ssize_t size = ::read(ends[0], buffer, sizeof(buffer));
      ASSERT_GT(size, 0);
      read.append(buffer, static_cast<size_t>(size));
    }
  }
  close(ends[0]);
  close(ends[1]);
}

// Its thread is left alone in the pipe: a process must be able to end.
TEST(LogTest, APipeThatNobodyReadsDoesNotKeepItFromEnding) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  // Open to the end of the process, like standard error.
  Log log(Json(), ends[1]);
  for (int i = 0; i < 90; ++i) log.Record(GatewayDraining{std::string(10000, 'x')});
}

}  // namespace
}  // namespace sluice::observe
