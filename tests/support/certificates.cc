#include "tests/support/certificates.h"

#include <vector>

#include "tests/support/process.h"

namespace sluice::testing_support {
namespace {

void Openssl(const TempDir& directory, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  Process::Options options;
  options.command = std::move(arguments);
  options.output_path = directory.File("openssl.log");
  options.unprivileged = true;  // so that PostgreSQL owns its key
  RunOrDie(options);
}

}  // namespace

Certificates::Certificates() {
  Openssl(directory_, {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                       "-subj", "/CN=test CA", "-keyout", directory_.File("ca.key"), "-out", ca()});
}

Certificates::Pair Certificates::Issue(const std::string& name, const std::string& subject_alternative_names) const {
  const Pair pair = {directory_.File(name + ".pem"), directory_.File(name + ".key")};
  const std::string request = directory_.File(name + ".csr");
  const std::string extensions = directory_.Write(name + ".ext", "subjectAltName=" + subject_alternative_names + "\n");
  Openssl(directory_, {"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                       "-keyout", pair.key, "-out", request});
  Openssl(directory_, {"x509", "-req", "-in", request, "-CA", ca(), "-CAkey", directory_.File("ca.key"), "-days", "2",
                       "-extfile", extensions, "-out", pair.cert});
  return pair;
}

Certificates::Pair Certificates::IssueWeak() const {
  const Pair pair = {directory_.File("weak.pem"), directory_.File("weak.key")};
  Openssl(directory_, {"req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "2", "-subj", "/CN=weak", "-keyout",
                       pair.key, "-out", pair.cert});
  return pair;
}

std::string TokenHash(const std::string& token) {
  TempDir directory;
  Process::Options options;
  options.command = {"sha256sum", directory.Write("token", token)};
  options.output_path = directory.File("hash");
  RunOrDie(options);
  return ReadFile(options.output_path).substr(0, 64);
}

}  // namespace sluice::testing_support
