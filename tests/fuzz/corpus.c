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
    struct vocab_form nfc = {VOCAB_NORM_NFC, VOCAB_LINES_LF};
    struct vocab_form none = {VOCAB_NORM_NONE, VOCAB_LINES_LF};
    int rc = normalize_text(nfc, text, n, &once, &n_chars, &first, e);
    if (rc == 0)
        rc = normalize_text(none, once.data, once.n, &twice, &n_chars, &second, e);
    FUZZ_CAN_STARVE(rc == 0);
    FUZZ_CHECK(rc != 0 || (second.n_invalid == 0 && twice.n == once.n &&
                           normalize_count_chars(once.data, once.n) == n_chars));
    free(once.data);
    free(twice.data);
    return rc;
}

/* The first byte chooses how the rest is read. */
static struct corpus_options options(uint8_t choice)
{
    static const char *const separators[] = {NULL, "line", "blank-line", "</s>"};
    static const char *const fields[] = {NULL, "a.b", "text"};
    static const char *const encodings[] = {NULL, NULL, "UTF-16", "SHIFT_JIS", "ISO-2022-JP"};
    return (struct corpus_options){.format = (enum corpus_format)(choice % CORPUS_N_FORMATS),
                                   .separator = separators[choice / 8 % 4],
                                   .field = fields[choice / 32 % 3],
                                   .encoding = encodings[choice % 5],
                                   .invalid = choice & 1 ? CORPUS_REPLACE : CORPUS_REFUSE,
                                   .skip_missing = choice & 2,
                                   .max_bytes = 1 << 24,
                                   .max_story_bytes = 1 << 20};
}

static void warning(void *context, const char *sentence)
{
    (void)context;
    if (sentence[0] == '\0')
        abort();
}

void fuzz_one(const uint8_t *data, size_t n)
{
    if (n == 0)
        return;
    struct fuzz_file f = fuzz_open(data + 1, n - 1);
    const struct corpus_options o = options(data[0]);
    const struct corpus_hooks hooks = {.story = story, .warning = warning};
    struct corpus_counts counts = {0};
    struct err e = {.text = ""};

    if (corpus_read(f.path, &o, &hooks, &counts, &e) != 0 && e.text[0] == '\0')
        abort();
    fuzz_close(&f);
}
