/* Any bytes as a shard: refused with a sentence, or a shard whose every promise holds. The hashes
 * are put right first, or they would refuse every input. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "format/shard.h"

enum { HEADER = 128, PAYLOAD_HASH = 96, HEADER_CHECK = 120 };

void fuzz_one(const uint8_t *data, size_t n)
{
    unsigned char *copy = fuzz_alloc(n);
    struct shard s = {0};
    struct err e;

    memcpy(copy, data, n);
    if (n >= HEADER) {
        le_put64(copy + PAYLOAD_HASH, hash64(copy + HEADER, n - HEADER));
        le_put64(copy + HEADER_CHECK, hash64(copy, HEADER_CHECK));
    }
    struct fuzz_file f = fuzz_open(copy, n);
    if (shard_open(&s, f.path, &e) == 0) {
        for (uint64_t i = 0; i < s.n_stories; i++)
            if (s.stories[i] >= s.stories[i + 1] || s.tokens[s.stories[i + 1] - 1] != 3)
                abort();
        for (uint64_t i = 0; i < s.n_tokens; i++)
            if (s.tokens[i] >= s.vocab_size)
                abort();
        shard_close(&s);
    }
    fuzz_close(&f);
    free(copy);
}
