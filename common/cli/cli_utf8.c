#include "cli/cli.h"

#include <string.h>

#include "base/utf8.h"

static bool is_harmful(int32_t code)
{
    return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0);
}

void cli_utf8_write(struct cli_utf8 *u, FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        u->pending[u->n_pending++] = text[i];
        while (u->n_pending > 0) {
            int32_t code;
            size_t used = utf8_decode(u->pending, (size_t)u->n_pending, &code);
            if (code == UTF8_CUT)
                break;
            if (code < 0 || (u->terminal && is_harmful(code)))
                fputs(UTF8_REPLACEMENT, out);
            else
                fwrite(u->pending, 1, used, out);
            u->n_pending -= (int)used;
            memmove(u->pending, u->pending + used, (size_t)u->n_pending);
        }
    }
}

void cli_utf8_flush(struct cli_utf8 *u, FILE *out)
{
    if (u->n_pending > 0)
        fputs(UTF8_REPLACEMENT, out);
    u->n_pending = 0;
}
