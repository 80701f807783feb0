#include "cli/cli.h"

#include <string.h>

#include "cli/cli_private.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Table 3-7 of the Unicode standard: only the second byte has ranges of its own. What is replaced
 * at once is the longest beginning of a well-formed character, as the standard recommends. */
int cli_utf8_length(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return -1;
    int length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i < length; i++) {
        if ((size_t)i == n)
            return 0;
        if (s[i] < low || s[i] > high)
            return -i;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

static bool is_harmful(const unsigned char *s, int length)
{
    if (length == 1)
        return (s[0] < 0x20 && s[0] != '\n' && s[0] != '\t') || s[0] == 0x7F;
    return length == 2 && s[0] == 0xC2 && s[1] < 0xA0; /* C1 controls */
}

void cli_utf8_write(struct cli_utf8 *u, FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        u->pending[u->n_pending++] = (unsigned char)text[i];
        while (u->n_pending > 0) {
            int length = cli_utf8_length(u->pending, (size_t)u->n_pending);
            if (length == 0)
                break;
            int used = length > 0 ? length : -length;
            if (length < 0 || (u->terminal && is_harmful(u->pending, length)))
                fwrite(replacement, 1, sizeof replacement - 1, out);
            else
                fwrite(u->pending, 1, (size_t)used, out);
            u->n_pending -= used;
            memmove(u->pending, u->pending + used, (size_t)u->n_pending);
        }
    }
}

void cli_utf8_flush(struct cli_utf8 *u, FILE *out)
{
    if (u->n_pending > 0)
        fwrite(replacement, 1, sizeof replacement - 1, out);
    u->n_pending = 0;
}
