#include "postgres.h"
#include "parser/scanner.h"

/* As scanner.h says that they are numbered. */
enum {
  IDENT = 258, UIDENT, FCONST, SCONST, USCONST, BCONST, XCONST, Op, ICONST, PARAM,
  TYPECAST, DOT_DOT, COLON_EQUALS, EQUALS_GREATER, LESS_EQUALS, GREATER_EQUALS, NOT_EQUALS
};
typedef core_YYSTYPE YYSTYPE;
