#ifndef SLUICE_SERVER_CODEC_TIME_TEXT_H_
#define SLUICE_SERVER_CODEC_TIME_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::codec {

// "2026-08-22", also "... BC" and "infinity"; not what another DateStyle makes of a date.
bool IsIsoDate(absl::string_view text);

// "2026-08-22 13:05:01.25+02", also "... BC" and "infinity", in microseconds since
// 1970-01-01 00:00 (UTC; without an offset, of the clock itself). False if the text is
// something else, or past the years that fit (294246).
bool ParseTimestamp(absl::string_view text, int64_t* microseconds);

// The same instant as RFC 3339 with a Z, or for `zone` false without; years that RFC 3339
// does not know (BC, past 9999) and infinity in PostgreSQL's own form.
std::string FormatTimestamp(absl::string_view postgres_text, int64_t microseconds, bool zone);

// Microseconds as ParseTimestamp makes them, in PostgreSQL's own form: with `zone` "2026-08-22 13:05:01.25+00", also
// "... BC" and "infinity".
std::string TimestampText(int64_t microseconds, bool zone);

// PostgreSQL's "1 year 2 mons -3 days +04:05:06.5" as ISO 8601, "P1Y2M-3DT4H5M6.5S", as
// IntervalStyle = iso_8601 has it. False if the text is something else.
bool IntervalToIso8601(absl::string_view text, std::string* iso);

}  // namespace sluice::codec

#endif  // SLUICE_SERVER_CODEC_TIME_TEXT_H_
