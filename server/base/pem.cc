#include "server/base/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// OpenSSL's word of the call before.
std::string WhyRefused() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

Bio Reader(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free); }

// OpenSSL would ask for a passphrase on the terminal.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*for_writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// Null at the end of the text, and for what can not be read.
Certificate NextCertificate(BIO* reader) {
  bool asked = false;
  return Certificate(PEM_read_bio_X509(reader, nullptr, &NoPassphrase, &asked), &X509_free);
}

}  // namespace

absl::Status CheckCertificates(const std::string& pem) {
  const Bio reader = Reader(pem);
  int count = 0;
  ERR_clear_error();
  while (NextCertificate(reader.get()) != nullptr) ++count;
  // The end of the text is an error of OpenSSL's as well, and this one.
  const bool at_the_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_the_end) return absl::InvalidArgumentError("holds a certificate that can not be read");
  return count > 0 ? absl::OkStatus() : absl::InvalidArgumentError("holds no certificate (PEM)");
}

absl::Status CheckKey(const std::string& key_pem, const std::string& chain_pem) {
  bool has_passphrase = false;
  const Key key(PEM_read_bio_PrivateKey(Reader(key_pem).get(), nullptr, &NoPassphrase, &has_passphrase),
                &EVP_PKEY_free);
  ERR_clear_error();
  if (has_passphrase) return absl::InvalidArgumentError("has a passphrase, and nobody is there to type it");
  if (key == nullptr) return absl::InvalidArgumentError("holds no private key (PEM)");
  const Certificate certificate = NextCertificate(Reader(chain_pem).get());
  // A readable one may still be refused: a key of 1,024 bits, a signature with SHA-1.
  const Context context(SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  if (certificate == nullptr || SSL_CTX_use_certificate(context.get(), certificate.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("goes with a certificate that OpenSSL refuses: ", WhyRefused()));
  }
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("is not the key of the certificate: ", WhyRefused()));
  }
  return absl::OkStatus();
}

}  // namespace sluice
