/* PostgreSQL's own scanner (scan.l), which a script fetches and builds around this: see build_oracle.sh. */
#ifndef SLUICE_TESTS_FUZZ_SCAN_ORACLE_H_
#define SLUICE_TESTS_FUZZ_SCAN_ORACLE_H_

#ifdef __cplusplus
extern "C" {
#endif

typedef struct OracleToken {
  /* 'i'dentifier, 's'tring, 'n'umber, 'p'arameter, 'o'perator or any other character. */
  char kind;
  /* Where it begins, in bytes. */
  int begin;
  /* Of a parameter. */
  int number;
} OracleToken;

/*
 * Scans a text without NULs. Fills in at most `max` tokens and returns how many; `*failed` tells whether an error came
 * behind them. Not thread-safe.
 */
typedef int OracleScan(const char* text, int conforming_strings, OracleToken* tokens, int max, int* failed);
OracleScan oracle_scan;

#ifdef __cplusplus
}
#endif

#endif
