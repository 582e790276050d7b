#include "tests/benchmark/plot.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::benchmark {
namespace {

constexpr double kWidth = 300, kHeight = 240, kLeft = 60, kTop = 40, kGap = 80;
constexpr double kCallersMax = 1000, kRateMin = 10, kRateMax = 100000;

double X(double callers) { return kLeft + kWidth * std::log10(std::max(callers, 1.0)) / std::log10(kCallersMax); }
double Y(double rate) {
  const double share =
      (std::log10(std::max(rate, kRateMin)) - std::log10(kRateMin)) / (std::log10(kRateMax) - std::log10(kRateMin));
  return kTop + kHeight * (1 - share);
}

// "pgbench -> PgBouncer (180)" is the same line as with 64.
std::string NameOf(const std::string& who) { return who.substr(0, std::min(who.find(" ->"), who.find(" ("))); }

const char* Colour(const std::string& who) {
  if (absl::StartsWith(who, "sluice,")) return "#9cc9a5";
  if (absl::StartsWith(who, "sluice")) return "#3d8a4d";
  return absl::StartsWith(who, "pgbench") ? "#3b6ea5" : "#b98a1c";
}

std::string Frame(const std::string& link_ms) {
  std::string svg = absl::StrFormat(
      "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\" font-weight=\"bold\">point reads by callers, link of %s "
      "ms</text>\n",
      kLeft + kWidth / 2, kTop - 16, link_ms);
  for (const double rate : {10.0, 100.0, 1000.0, 10000.0, 100000.0}) {
    absl::StrAppendFormat(
        &svg, "<path class=\"grid\" d=\"M%g %gH%g\"/><text x=\"%g\" y=\"%g\" text-anchor=\"end\">%g</text>\n", kLeft,
        Y(rate), kLeft + kWidth, kLeft - 6, Y(rate) + 4, rate);
  }
  for (const double callers : {1.0, 20.0, 64.0, 256.0, 1000.0}) {
    absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%g</text>\n", X(callers),
                          kTop + kHeight + 18, callers);
  }
  return svg;
}

}  // namespace

std::string Plot(const std::vector<Point>& points) {
  // Who, by link.
  std::map<int, std::map<std::string, std::vector<const Point*>>> pictures;
  for (const Point& point : points) {
    if (point.work == "point") pictures[std::stoi(point.link_ms)][NameOf(point.who)].push_back(&point);
  }
  std::string body;
  double offset = 0;
  for (const auto& [link_ms, lines] : pictures) {
    absl::StrAppendFormat(&body, "<g transform=\"translate(%g 0)\">\n%s", offset, Frame(absl::StrCat(link_ms)));
    double legend = kTop + kHeight + 44;
    for (const auto& [who, line] : lines) {
      std::string path;
      for (const Point* point : line) {
        absl::StrAppendFormat(&path, "%s%.1f %.1f", path.empty() ? "M" : "L", X(point->callers),
                              Y(point->calls_per_second));
        absl::StrAppendFormat(&body, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", X(point->callers),
                              Y(point->calls_per_second), Colour(who));
      }
      absl::StrAppendFormat(&body, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path,
                            Colour(who));
      absl::StrAppendFormat(&body, "<text x=\"%g\" y=\"%g\" style=\"fill: %s\">%s</text>\n", kLeft, legend, Colour(who),
                            who);
      legend += 16;
    }
    body += "</g>\n";
    offset += kWidth + kGap;
  }
  return absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"system-ui, sans-serif\" "
      "font-size=\"12\">\n<style>text { fill: #555 } .grid { stroke: #ccc; fill: none }</style>\n"
      "<text x=\"14\" y=\"%g\" transform=\"rotate(-90 14 %g)\" text-anchor=\"middle\">calls a "
      "second</text>\n%s</svg>\n",
      offset + 20, kTop + kHeight + 100, kTop + kHeight / 2, kTop + kHeight / 2, body);
}

}  // namespace sluice::benchmark
