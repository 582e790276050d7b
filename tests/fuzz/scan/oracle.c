/* What PostgreSQL's scanner needs around it, and the one function that the comparison calls. */
#include "oracle.h"

#include <errno.h>
#include <setjmp.h>

#include "parser/gramparse.h"

extern bool standard_conforming_strings; /* scan.l's own */
ErrorContextCallback* error_context_stack = NULL;

static jmp_buf failed_here;
void OracleFail(void) { longjmp(failed_here, 1); }

/* One scan's memory, given back as a whole: an error leaves nothing behind. */
typedef struct Block {
  struct Block* next;
} Block;
static Block* blocks = NULL;

void* palloc(Size size) {
  Block* block = malloc(sizeof(Block) + sizeof(Size) + size);
  block->next = blocks;
  blocks = block;
  *(Size*)(block + 1) = size;
  return (char*)(block + 1) + sizeof(Size);
}
void* repalloc(void* pointer, Size size) {
  const Size old = *(Size*)((char*)pointer - sizeof(Size));
  void* larger = palloc(size);
  memcpy(larger, pointer, old < size ? old : size);
  return larger;
}
void pfree(void* pointer) { (void)pointer; }
char* pstrdup(const char* text) { return strcpy(palloc(strlen(text) + 1), text); }

bool pg_verifymbstr(const char* text, int length, bool no_error) {
  (void)text, (void)length, (void)no_error;
  return true;
}
void pg_unicode_to_server(pg_wchar c, unsigned char* out) {
  (void)c;
  out[0] = 'u';
  out[1] = '\0';
}
int strtoint(const char* text, char** end, int base) {
  const long value = strtol(text, end, base);
  if (value != (int)value) errno = ERANGE;
  return (int)value;
}
char* downcase_truncate_identifier(const char* text, int length, bool warn) {
  return downcase_identifier(text, length, warn, true);
}
char* downcase_identifier(const char* text, int length, bool warn, bool truncate) {
  (void)warn, (void)truncate;
  char* copy = palloc((Size)length + 1);
  memcpy(copy, text, (Size)length);
  copy[length] = '\0';
  return copy;
}
void truncate_identifier(char* text, int length, bool warn) { (void)text, (void)length, (void)warn; }

static char KindOf(int token) {
  switch (token) {
    case IDENT:
    case UIDENT: return 'i';
    case FCONST:
    case ICONST: return 'n';
    case SCONST:
    case USCONST:
    case BCONST:
    case XCONST: return 's';
    case PARAM: return 'p';
    case Op:
    case TYPECAST:
    case DOT_DOT:
    case COLON_EQUALS:
    case EQUALS_GREATER:
    case LESS_EQUALS:
    case GREATER_EQUALS:
    case NOT_EQUALS: return 'o';
    default: return (char)token;
  }
}

int oracle_scan(const char* text, int conforming_strings, OracleToken* tokens, int max, int* failed) {
  static const ScanKeywordList no_keywords = {0};
  static const uint16 no_tokens[1] = {0};
  core_yy_extra_type extra;
  volatile int count = 0;
  memset(&extra, 0, sizeof(extra));
  standard_conforming_strings = conforming_strings != 0;
  *failed = 0;
  if (setjmp(failed_here) != 0) {
    *failed = 1;
  } else {
    core_yyscan_t scanner = scanner_init(text, &extra, &no_keywords, no_tokens);
    while (count < max) {
      core_YYSTYPE value;
      int begin = 0;
      const int token = core_yylex(&value, &begin, scanner);
      if (token == 0) break;
      tokens[count].kind = KindOf(token);
      tokens[count].begin = begin;
      tokens[count].number = token == PARAM ? value.ival : 0;
      ++count;
    }
  }
  while (blocks != NULL) {
    Block* next = blocks->next;
    free(blocks);
    blocks = next;
  }
  return count;
}
