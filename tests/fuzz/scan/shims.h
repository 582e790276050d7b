/*
 * As much of PostgreSQL's own headers as its scanner needs to be compiled outside of it, with errors that jump to
 * whoever asked (oracle.c). build_oracle.sh lets the headers that it includes lead here.
 */
#ifndef SLUICE_TESTS_FUZZ_SCAN_SHIMS_H_
#define SLUICE_TESTS_FUZZ_SCAN_SHIMS_H_

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef size_t Size;
typedef int32_t int32;
typedef uint32_t uint32;
typedef uint16_t uint16;
typedef unsigned int pg_wchar;

#define PGDLLIMPORT
#define pg_attribute_noreturn() __attribute__((noreturn))
#define Assert(condition) ((void)0)
#define IS_HIGHBIT_SET(ch) ((unsigned char)(ch)&0x80)
#define UNICODE_HIGHEST 0x10FFFF
#define MAX_UNICODE_EQUIVALENT_STRING 16
#define NAMEDATALEN 64
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define unlikely(x) (x)
#define likely(x) (x)

enum { WARNING = 19, ERROR = 21 };
#define ereport(level, ...)           \
  do {                                \
    if ((level) >= ERROR) OracleFail(); \
  } while (0)
#define elog(level, ...) ereport(level)
void OracleFail(void) pg_attribute_noreturn();

void *palloc(Size size);
void *repalloc(void *pointer, Size size);
void pfree(void *pointer);
char *pstrdup(const char *text);

#define geterrcode() 0
#define ERRCODE_QUERY_CANCELED 1
#define errposition(position) (position)

typedef struct ErrorContextCallback {
  struct ErrorContextCallback *previous;
  void (*callback)(void *arg);
  void *arg;
} ErrorContextCallback;
extern ErrorContextCallback *error_context_stack;

/* No word is a keyword: they are all one to the gateway. */
typedef struct ScanKeywordList {
  int num_keywords;
} ScanKeywordList;
#define ScanKeywordLookup(text, list) ((void)(list), -1)
#define GetScanKeyword(number, list) ""

typedef enum { BACKSLASH_QUOTE_OFF, BACKSLASH_QUOTE_ON, BACKSLASH_QUOTE_SAFE_ENCODING } BackslashQuoteType;
enum { PG_UTF8 = 6 };
#define pg_get_client_encoding() PG_UTF8
#define PG_ENCODING_IS_CLIENT_ONLY(encoding) false
#define pg_mbstrlen_with_len(text, length) (length)
bool pg_verifymbstr(const char *text, int length, bool no_error);
void pg_unicode_to_server(pg_wchar c, unsigned char *out);
static inline bool is_valid_unicode_codepoint(pg_wchar c) { return c > 0 && c <= UNICODE_HIGHEST; }
static inline bool is_utf16_surrogate_first(pg_wchar c) { return c >= 0xD800 && c <= 0xDBFF; }
static inline bool is_utf16_surrogate_second(pg_wchar c) { return c >= 0xDC00 && c <= 0xDFFF; }
static inline pg_wchar surrogate_pair_to_codepoint(pg_wchar first, pg_wchar second) {
  return ((first & 0x3FF) << 10) + 0x10000 + (second & 0x3FF);
}
static inline uint32 pg_nextpower2_32(uint32 number) {
  uint32 power = 1;
  while (power < number) power <<= 1;
  return power;
}

int strtoint(const char *text, char **end, int base);
char *downcase_truncate_identifier(const char *text, int length, bool warn);
char *downcase_identifier(const char *text, int length, bool warn, bool truncate);
void truncate_identifier(char *text, int length, bool warn);

/* As scanner.h says that they are numbered. */
enum {
  IDENT = 258,
  UIDENT,
  FCONST,
  SCONST,
  USCONST,
  BCONST,
  XCONST,
  Op,
  ICONST,
  PARAM,
  TYPECAST,
  DOT_DOT,
  COLON_EQUALS,
  EQUALS_GREATER,
  LESS_EQUALS,
  GREATER_EQUALS,
  NOT_EQUALS
};

#endif  /* SLUICE_TESTS_FUZZ_SCAN_SHIMS_H_ */
