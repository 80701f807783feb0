/* Any bytes as a corpus, in every form: read or refused; every story normalises to valid UTF-8. */
#include "fuzz/fuzz.h"

#include "corpus/corpus.h"
#include "text/normalize.h"

static int story(void *context, const char *text, size_t n, struct err *e)
{
    struct text_buf once = {0}, twice = {0};
    struct normalize_stats first = {0}, second = {0};
    size_t n_chars;

    (void)context;
    if (normalize_text(VOCAB_NORM_NFC, text, n, &once, &n_chars, &first, e) != 0 ||
        normalize_text(VOCAB_NORM_NONE, once.data, once.n, &twice, &n_chars, &second, e) != 0)
        abort();
    if (second.n_invalid != 0 || normalize_count_chars(once.data, once.n) != n_chars)
        abort();
    free(once.data);
    free(twice.data);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_file f = fuzz_open(data, n);
    struct err e;

    for (int form = CORPUS_AUTO; form <= CORPUS_JSONL; form++) {
        struct corpus_options o = {.format = (enum corpus_format)form, .max_story_bytes = 1 << 20};
        if (corpus_read(f.path, &o, story, NULL, NULL, &e) != 0 && e.text[0] == '\0')
            abort();
    }
    fuzz_close(&f);
    return 0;
}
