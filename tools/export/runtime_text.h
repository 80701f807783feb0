/* runtime_text.h - the text of runtime.h and runtime.c, which stands in the program. */
#ifndef RUNTIME_TEXT_H
#define RUNTIME_TEXT_H

extern const char runtime_text_h[]; /* NUL-terminated */
extern const char runtime_text_c[];

#endif
