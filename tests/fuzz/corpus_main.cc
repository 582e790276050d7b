// Runs a fuzz target on each file of its corpus, as an ordinary test: every input that
// once mattered still passes. Under --config=fuzz libFuzzer's own main takes its place.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (file.is_directory()) continue;
      std::ifstream stream(file.path(), std::ios::binary);
      const std::string input((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
      std::fprintf(stderr, "%s\n", file.path().c_str());
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
      ++inputs;
    }
  }
  std::printf("%d inputs\n", inputs);
  // An empty corpus tests nothing.
  return inputs > 0 ? 0 : 1;
}
