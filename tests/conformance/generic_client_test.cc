// A generic client in another language, with nothing of ours but the proto files.

#include "tests/conformance/fixture.h"

namespace sluice {
namespace {

using testing_support::Process;

class GenericClientTest : public ConformanceTest {
 protected:
  // Python modules of a proto file; grpc/health/v1 can not keep its path, since Python's
  // own gRPC module is called grpc.
  void MakeStubs(const std::string& root, const std::string& file) {
    Process::Options protoc;
    protoc.command = {"protoc",
                      "-I" + root,
                      "-Iproto",
                      "-I/usr/share/gocode/src/github.com/gogo/googleapis",
                      "--python_out=" + stubs_.path(),
                      "--grpc_out=" + stubs_.path(),
                      "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
                      file};
    protoc.output_path = stubs_.File("protoc.log");
    testing_support::RunOrDie(protoc);
  }

  testing_support::TempDir stubs_;
};

TEST_F(GenericClientTest, CallsExecuteHealthAndReflection) {
  for (const char* file : {"sluice/v1/database.proto", "sluice/v1/value.proto", "sluice/v1/error.proto"}) {
    MakeStubs("proto", file);
  }
  for (const char* file : {"google/rpc/status.proto", "google/rpc/error_details.proto"}) {
    MakeStubs("/usr/share/gocode/src/github.com/gogo/googleapis", file);
  }
  MakeStubs("/usr/share/grpc-proto/grpc/health/v1", "health.proto");
  MakeStubs("/usr/share/grpc-proto/grpc/reflection/v1alpha", "reflection.proto");

  Process::Options python;
  // Debian's, to which the packages belong; there may be others in front of it.
  python.command = {"/usr/bin/python3", "tests/conformance/generic_client.py"};
  python.environment = {
      {"SLUICE_TARGET", gateway_->address()}, {"STUBS", stubs_.path()}, {"PYTHONDONTWRITEBYTECODE", "1"}};
  python.output_path = stubs_.File("python.log");
  Process process(python);
  const int exit_code = process.Wait();
  const std::string output = testing_support::ReadFile(python.output_path);
  EXPECT_EQ(exit_code, 0) << output;
  EXPECT_NE(output.find("Ran 4 tests"), std::string::npos) << output;
}

}  // namespace
}  // namespace sluice
