#include "prep/tokentext.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static bool is_printable(struct vocab_bytes bytes)
{
    const char *text = (const char *)bytes.data;
    int32_t code;
    for (size_t i = 0; i < bytes.n;) {
        i += utf8_decode(text + i, bytes.n - i, &code);
        if (code < ' ' && code != '\n' && code != '\t')
            return false; /* also what is no character */
        if (code >= 0x7f && code <= 0x9f)
            return false;
    }
    return true;
}

const char *tokentext(char buf[TOKENTEXT_BYTES], struct vocab_bytes bytes)
{
    char *at = buf;
    bool printable = is_printable(bytes);
    if (!printable)
        *at++ = '<';
    for (uint32_t i = 0; i < bytes.n; i++) {
        unsigned char b = bytes.data[i];
        if (!printable)
            at += sprintf(at, "%02X", b);
        else if (b == ' ' || b == '\n' || b == '\t')
            at = stpcpy(at, b == ' ' ? "\xe2\x90\xa3" : b == '\n' ? "\\n" : "\\t");
        else
            *at++ = (char)b;
    }
    if (!printable)
        *at++ = '>';
    *at = '\0';
    return buf;
}
