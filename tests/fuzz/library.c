/* Any bytes as a model in memory for libbolt: refused with a sentence, or a model that reads, tells
 * and scores, with the same bits in plain C as with the best instructions of the machine. But one
 * NaN is like another: compilers choose its sign. */
#include <math.h>

#include "bolt/bolt.h"
#include "fuzz/fuzz.h"
#include "fuzz/signed.h"

enum { N_TEXT = 96, N_DRAWN = 8, MAX_CELLS = 1 << 22 };

#define CHECK(condition) FUZZ_CAN_STARVE(condition)

/* What a model does with one input. */
struct told {
    int code;
    int64_t n_ids;
    int32_t drawn[N_DRAWN];
    float log_p[N_DRAWN];
    double nats;
    uint64_t logits; /* their hash */
};

static float plain(float x)
{
    return isnan(x) ? NAN : x;
}

static uint64_t hash_of(const float *x, size_t n)
{
    float *copy = fuzz_alloc(n * sizeof *copy);

    for (size_t i = 0; i < n; i++)
        copy[i] = plain(x[i]);
    uint64_t hash = hash64(copy, n * sizeof *copy);
    free(copy);
    return hash;
}

/* Options out of the input's last bytes. */
static struct bolt_sample_options choose(const uint8_t *data, size_t n)
{
    struct bolt_sample_options o = BOLT_SAMPLE_DEFAULTS;
    uint8_t bits = n > 0 ? data[n - 1] : 0;
    uint8_t size = n > 1 ? data[n - 2] : 0;

    o.temperature = bits & 1 ? 0.8f : bits & 2 ? 1e-30f : 0;
    o.top_k = bits & 4 ? 0 : size;
    o.top_p = bits & 8 ? (float)size / 255 : 1;
    o.min_p = bits & 16 ? (float)size / 255 : 0;
    o.repeat_penalty = bits & 32 ? 10 : bits & 64 ? 0.1f : 1;
    return o;
}

static void tell(struct bolt_context *c, const struct bolt_info *info, const uint8_t *data,
                 size_t n, struct told *out)
{
    struct bolt_sample_options o = choose(data, n);
    int32_t ids[4 * N_TEXT];
    size_t n_text = n < N_TEXT ? n : N_TEXT;

    out->n_ids = bolt_encode(c, (const char *)data + n - n_text, n_text, ids, 4 * N_TEXT);
    CHECK(out->n_ids <= 4 * N_TEXT);
    if (out->n_ids < 0) {
        CHECK(out->n_ids == BOLT_ERROR_LIMIT);
        out->n_ids = 0;
    }
    bolt_reset(c, n, 1);
    CHECK(bolt_step(c, ids, (size_t)out->n_ids) == 0);
    for (size_t i = 0; i < N_DRAWN; i++) {
        out->drawn[i] = bolt_sample(c, &o, &out->log_p[i]);
        out->log_p[i] = plain(out->log_p[i]);
        CHECK(out->drawn[i] >= BOLT_EOS && (uint32_t)out->drawn[i] < info->n_vocab);
        CHECK(bolt_step(c, &out->drawn[i], 1) == 0);
    }
    out->logits = hash_of(bolt_logits(c), info->n_vocab);
    bolt_reset(c, n, 2);
    CHECK(bolt_score(c, ids, (size_t)out->n_ids, &out->nats) == 0);
    out->nats = isnan(out->nats) ? (double)NAN : out->nats;
    CHECK(bolt_step(c, &(int32_t){(int32_t)info->n_vocab}, 1) == BOLT_ERROR_ARGUMENT);
}

/* Opens a model and has it tell; the code of what failed. */
static int run(const unsigned char *blob, size_t n, const struct bolt_model_options *options,
               struct told *out)
{
    struct bolt_context_options text = {sizeof text, N_TEXT};
    struct bolt_info info = {.size = sizeof info};
    struct bolt_model *model;
    struct bolt_context *context;
    char message[200] = "";

    memset(out, 0, sizeof *out);
    out->code = bolt_open_memory(blob, n, options, &model, message, sizeof message);
    CHECK((out->code == 0) == (model != NULL) && (out->code == 0) == (*message == '\0'));
    if (out->code != 0)
        return out->code;
    CHECK(bolt_info(model, &info) == 0);
    for (int32_t id = -1; id <= (int32_t)info.n_vocab; id++) {
        size_t n_bytes;
        CHECK((bolt_token_text(model, id, &n_bytes) != NULL) ==
              (id >= 0 && (uint32_t)id < info.n_vocab));
    }
    /* What looks back very far takes room in proportion. */
    if ((info.n_context + info.n_blocks) * info.n_width <= MAX_CELLS) {
        CHECK(bolt_context_new(model, &text, &context, message, sizeof message) == 0);
        if (context != NULL)
            tell(context, &info, blob, n, out);
        bolt_context_free(context);
    }
    bolt_close(model);
    return 0;
}

void fuzz_one(const uint8_t *data, size_t n)
{
    unsigned char *copy = signed_copy(data, n);

    for (int math = BOLT_INT8; math <= BOLT_EXACT; math++) {
        struct bolt_model_options plain = {sizeof plain, math, "c"};
        struct bolt_model_options best = {sizeof best, math, NULL};
        struct told a, b;
        if (run(copy, n, &plain, &a) != 0)
            break;
        CHECK(run(copy, n, &best, &b) == 0 && memcmp(&a, &b, sizeof a) == 0);
    }
    free(copy);
}
