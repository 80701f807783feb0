/* bolt.h - tells stories with a FlashLM Bolt model: the whole public interface of libbolt.
 *
 *     struct bolt_model *model;                          the weights, shared by threads
 *     struct bolt_context *story;                        one a thread and story
 *     bolt_open_file("model.bolt", NULL, &model, message, sizeof message);
 *     bolt_context_new(model, NULL, &story, message, sizeof message);
 *     n = bolt_encode(story, text, strlen(text), ids, n_ids);   0 to n_ids, if all is well
 *     bolt_step(story, ids, n);
 *     for (int32_t id; (id = bolt_sample(story, NULL, NULL)) >= 0 && id != BOLT_EOS;)
 *         print bolt_token_text(model, id, &n), then bolt_step(story, &id, 1)
 *
 * (an id below 0 is an error's code). Many stories are told at once, as one batch, by a context
 * each and bolt_step_many.
 *
 * Tokens are numbered from 0; text is UTF-8, its length given in bytes. Probabilities are natural
 * logarithms ("nats"). The same model, arithmetic, seed and options give the same tokens on every
 * machine, and the same as the program `sample` gives.
 *
 * Errors. What can fail returns a negative enum bolt_code and leaves one sentence fit to show a
 * person: opening leaves it in a buffer of the caller's (cut to fit, always terminated; NULL with
 * size 0 for none), everything else in the context (bolt_error). After an error of the caller's
 * making, such as a NULL model or context, nothing has changed. Nothing here prints, exits, handles
 * a signal or sets errno.
 *
 * Threads. There is no hidden state: a model is never written to and may be used by any number of
 * threads; a context by one thread at a time. No thread is started. The floating-point mode of the
 * calling thread neither matters nor changes.
 *
 * Memory. Only opening a model and making a context allocate.
 *
 * Versions. Later versions add functions, and members at the end of the structs whose first member
 * is `size`, which the caller sets to the size it was compiled with; members it does not know have
 * their default. So a program keeps running with every later library of one soname. */
#ifndef BOLT_H
#define BOLT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BOLT_API __attribute__((visibility("default")))
#else
#define BOLT_API
#endif

/* Goes up whenever something is added here. */
#define BOLT_API_VERSION 2

enum bolt_code {
    BOLT_ERROR_ARGUMENT = -1, /* an argument is out of its range, or an option not known */
    BOLT_ERROR_FILE = -2,     /* the file cannot be read */
    BOLT_ERROR_MODEL = -3,    /* not a model, damaged, or of an unknown version */
    BOLT_ERROR_MEMORY = -4,   /* out of memory */
    BOLT_ERROR_LIMIT = -5     /* a text longer than the context was made for */
};

/* Tokens with a meaning of their own; all other ids are text. */
enum bolt_token { BOLT_PAD = 0, BOLT_UNK = 1, BOLT_BOS = 2, BOLT_EOS = 3 };

enum bolt_math {
    BOLT_INT8 = 0, /* activations and head rounded to 8 bits: fastest */
    BOLT_EXACT = 1 /* float activations, only added and subtracted in the ternary layers */
};

struct bolt_model;
struct bolt_context;

/* "0.1.0": version of the library in use. */
BOLT_API const char *bolt_version(void);

/* BOLT_API_VERSION of the library in use. */
BOLT_API int bolt_api_version(void);

/* ---- models ---------------------------------------------------------------------------------- */

/* Zero is the default of every member: struct bolt_model_options o = {.size = sizeof o}. */
struct bolt_model_options {
    size_t size;
    int math;        /* enum bolt_math; default BOLT_INT8 */
    const char *cpu; /* instruction set: "c", "v128", on x86-64 "avx2", "avx512", "avx512vnni",
                        "avx512bf16", on 64-bit ARM "neon", "dotprod"; one the machine lacks is an
                        error. Default (NULL or "auto"): the best there is */
};

/* Opens a model.bolt. The file is mapped, so it must not be cut short or written to while the model
 * is open; replacing it by renaming another over it is fine. options may be NULL. On success *model
 * is to be closed, on failure it is NULL. Errors: ARGUMENT, FILE, MODEL, MEMORY. */
BOLT_API int bolt_open_file(const char *path, const struct bolt_model_options *options,
                            struct bolt_model **model, char *message, size_t message_size);

/* The same for the bytes of a model.bolt in memory, aligned to 8 bytes, which belong to the caller
 * and must not change or be freed before the model is closed. Errors: ARGUMENT, MODEL, MEMORY. */
BOLT_API int bolt_open_memory(const void *data, size_t n_bytes,
                              const struct bolt_model_options *options, struct bolt_model **model,
                              char *message, size_t message_size);

/* To be called after the last of its contexts is freed. NULL is fine. */
BOLT_API void bolt_close(struct bolt_model *model);

/* What a model is. */
struct bolt_info {
    size_t size;
    uint64_t fingerprint;       /* of the file's contents */
    uint64_t vocab_fingerprint; /* of the vocabulary */
    uint64_t n_parameters;
    uint64_t n_context;  /* earlier tokens that the next one can depend on */
    uint32_t n_vocab;    /* V: tokens, and so logits */
    uint32_t n_width;    /* D */
    uint32_t n_blocks;   /* L */
    uint32_t n_hidden;   /* H */
    uint32_t n_taps;     /* K of the convolutions */
    uint32_t n_sequence; /* T: tokens of a training sequence; stories may be longer */
    int32_t pad, unk, bos, eos;
    int32_t math;    /* enum bolt_math, as opened */
    const char *cpu; /* instruction set in use; belongs to the library */
};

/* Fills the first info->size bytes of *info, which the caller has set. Error: ARGUMENT. */
BOLT_API int bolt_info(const struct bolt_model *model, struct bolt_info *info);

/* The *n_bytes bytes of a token as text, not terminated, and not always whole characters; they
 * belong to the model. PAD, BOS and EOS are empty, UNK is U+FFFD. NULL if there is no such token.
 */
BOLT_API const char *bolt_token_text(const struct bolt_model *model, int32_t token,
                                     size_t *n_bytes);

/* ---- contexts -------------------------------------------------------------------------------- */

/* Zero is the default of every member. */
struct bolt_context_options {
    size_t size;
    size_t max_text_bytes; /* of a text to encode, before and after it is normalised; at most 2^26,
                              default 16384. Costs about 90 bytes each of address space, and of
                              memory only what is ever used */
};

/* A place to read and tell one story at a time, at its beginning and seeded with 0 of stream 0. The
 * model must outlive it. On success *context is to be freed, on failure it is NULL. options may be
 * NULL. Errors: ARGUMENT, MEMORY. */
BOLT_API int bolt_context_new(const struct bolt_model *model,
                              const struct bolt_context_options *options,
                              struct bolt_context **context, char *message, size_t message_size);

/* NULL is fine. */
BOLT_API void bolt_context_free(struct bolt_context *context);

/* The sentence of the context's last error, "" before the first. Good until its next error. For
 * NULL, a sentence that there is no context. */
BOLT_API const char *bolt_error(const struct bolt_context *context);

/* Puts the context (NULL: none) at the beginning of a story - where it has read EOS, which ends
 * every story the model was trained on - and its random numbers at the beginning of stream `stream`
 * of a seed. Two streams of one seed are unrelated. (`sample --seed S --count N` tells streams 0 to
 * N-1.) */
BOLT_API void bolt_reset(struct bolt_context *context, uint64_t seed, uint64_t stream);

/* Normalises the text as the model's vocabulary asks (which drops white space at both ends, makes
 * every line end a line feed and replaces invalid UTF-8 by U+FFFD) and cuts it into tokens, of
 * which up to `capacity` go to ids. Returns how many there are, which may be more. Changes
 * nothing of the story. n_bytes are always enough ids for a vocabulary of kind bpe with ASCII text.
 * Errors: ARGUMENT, LIMIT. */
BOLT_API int64_t bolt_encode(struct bolt_context *context, const char *text, size_t n_bytes,
                             int32_t *ids, size_t capacity);

/* Reads n tokens, the story so far being before them; n may be 0. Many at once are read faster than
 * one by one, with the same result. Error: ARGUMENT (a token the model does not have; none is read
 * then). */
BOLT_API int bolt_step(struct bolt_context *context, const int32_t *tokens, size_t n);

/* The same for many stories as one batch: context i reads tokens[i], for i below n, which may be
 * any number; with NULL for tokens they read nothing. It also computes the logits of all, so that
 * bolt_sample and bolt_logits only read them. The contexts are of one model, none is given twice,
 * and all are used by the calling thread. A story does not depend on the others of its batch. The
 * weights are read once for up to 32 stories: the larger a model is beside the processor's cache,
 * the more that saves.
 *
 *     for (i = 0; i < n; i++) {        tell n stories, whose prompts were given to bolt_step
 *         bolt_reset(contexts[i], seed, i);
 *         bolt_step(contexts[i], prompt, n_prompt);
 *     }
 *     for (code = bolt_step_many(contexts, NULL, n); code == 0 && n > 0;
 *          code = bolt_step_many(contexts, tokens, n))
 *         for (i = n; i-- > 0;) {
 *             tokens[i] = bolt_sample(contexts[i], NULL, NULL);
 *             if (tokens[i] >= 0 && tokens[i] != BOLT_EOS)
 *                 print bolt_token_text(model, tokens[i], &n_bytes) to its story
 *             else
 *                 contexts[i] = contexts[--n], tokens[i] = tokens[n];      it has ended
 *         }
 *
 * Error: ARGUMENT, with nothing read; the sentence stands in the context at fault, or in the first
 * if one is NULL. (Since version 2 of the interface.) */
BOLT_API int bolt_step_many(struct bolt_context *const *contexts, const int32_t *tokens, size_t n);

/* The n_vocab logits of the next token. They belong to the context and are good until it is next
 * stepped, scored or reset. NULL if context is. */
BOLT_API const float *bolt_logits(struct bolt_context *context);

/* The repeat penalty applies first, the others in the order of the members. Zero is not the default
 * of these: set all of them, or begin with BOLT_SAMPLE_DEFAULTS. */
struct bolt_sample_options {
    size_t size;
    float temperature;    /* logits are divided by it, 0 to 100; 0 takes the likeliest token */
    int32_t top_k;        /* keep the k likeliest, 0 to 65536; 0 keeps all */
    float top_p;          /* keep the fewest that reach this probability, 0 to 1; 1 keeps all */
    float min_p;          /* drop those less likely than this times the likeliest, 0 to 1 */
    float repeat_penalty; /* above 1 makes the last 64 tokens less likely, 0.1 to 10; 1 is off */
};

/* struct bolt_sample_options o = BOLT_SAMPLE_DEFAULTS; also what NULL means, and what `sample` does
 * by itself. */
#define BOLT_SAMPLE_DEFAULTS                                           \
    {                                                                  \
        sizeof(struct bolt_sample_options), 0.8f, 50, 1.0f, 0.0f, 1.0f \
    }

/* Draws the next token and returns it, BOLT_EOS for the end of the story; PAD, UNK and BOS are
 * never drawn. It is not read: that is for bolt_step. *log_p, if not NULL, gets the natural
 * logarithm of its probability before all filters. Error: ARGUMENT. */
BOLT_API int32_t bolt_sample(struct bolt_context *context,
                             const struct bolt_sample_options *options, float *log_p);

/* Reads n tokens as bolt_step does; *nats gets the sum of -ln p over them, each given the story
 * before it. (For a whole story: reset, then score its tokens and BOLT_EOS.) Error: ARGUMENT. */
BOLT_API int bolt_score(struct bolt_context *context, const int32_t *tokens, size_t n,
                        double *nats);

#ifdef __cplusplus
}
#endif

#endif
