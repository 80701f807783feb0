/* tokentext.h - a token as one can see it, as the view of a vocabulary database shows it. */
#ifndef TOKENTEXT_H
#define TOKENTEXT_H

#include "text/vocab.h"

enum { TOKENTEXT_BYTES = 3 * VOCAB_MAX_TOKEN_BYTES + 1 };

/* A space is U+2423, line feed and tab are \n and \t; what is not whole, printable UTF-8 is in
 * hexadecimal, as <E280>. Returns buf. */
const char *tokentext(char buf[TOKENTEXT_BYTES], struct vocab_bytes bytes);

#endif
