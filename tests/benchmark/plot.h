#ifndef SLUICE_TESTS_BENCHMARK_PLOT_H_
#define SLUICE_TESTS_BENCHMARK_PLOT_H_

#include <string>
#include <vector>

namespace sluice::benchmark {

struct Point {
  std::string link_ms;
  std::string work;
  int callers = 0;
  std::string who;
  double calls_per_second = 0;
};

// Calls a second over callers, both logarithmic, as an SVG: a picture for each link, of point
// reads; a line for each of `who`.
std::string Plot(const std::vector<Point>& points);

}  // namespace sluice::benchmark

#endif  // SLUICE_TESTS_BENCHMARK_PLOT_H_
