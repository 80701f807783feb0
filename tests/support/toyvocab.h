/* toyvocab.h - a vocabulary of eleven tokens for tests of file formats. */
#ifndef TOYVOCAB_H
#define TOYVOCAB_H

#include "text/vocab.h"

enum { TOYVOCAB_SIZE = 11 };

/* Specials, "a" "b" "c" " " and the merges "ab", "abc", " a"; kind gpt2. Static: never released. */
struct vocab toyvocab(void);

#endif
