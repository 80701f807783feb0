/* runtime.h - a model and what runs it in one C file and this header: the text that `export
 * --format c` writes, here around the sizes of an example. It is C99 for a freestanding
 * implementation and needs nothing of the project. The exporter leaves out this comment and the
 * include of runtime.c, exchanges what stands between the marks @model and @end, settles `#ifdef
 * RUNTIME_WINDOW` (attention) and `#ifdef RUNTIME_EMBED_NORM`, and puts the model's name for the
 * first part of every name that begins with runtime. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* @model */
#define RUNTIME_VOCAB 8  /* tokens */
#define RUNTIME_WIDTH 1  /* of the residual stream */
#define RUNTIME_HIDDEN 1 /* width inside a feed-forward part */
#define RUNTIME_TAPS 1   /* of a convolution */
#define RUNTIME_BLOCKS 2
#define RUNTIME_RING_ROWS 2   /* values kept: (taps - 1) * dilation + 1 or window, a block */
#define RUNTIME_HEADS 1       /* of attention */
#define RUNTIME_KEY_WIDTH 1   /* of a head's queries and keys */
#define RUNTIME_WINDOW 1      /* tokens that attention sees */
#define RUNTIME_KEY_ROWS 1    /* keys kept: window, a block with attention */
#define RUNTIME_EMBED_NORM    /* the embedding has a norm */
#define RUNTIME_EMBED 8       /* bits of a number of the embedding */
#define RUNTIME_FLASH_BYTES 0 /* constant data, pointers left out */
#ifndef RUNTIME_NO_LOGITS
#define RUNTIME_RAM_BYTES 104 /* exactly sizeof(struct runtime) */
#else
#define RUNTIME_RAM_BYTES 64
#endif
/* @end */

#ifdef __cplusplus
extern "C" {
#endif

/* Ids below this one stand for nothing in a text: padding, the unknown, the begin of a text. The
 * one itself, the end of a text, also goes before its first token. */
#define RUNTIME_END 3
#define RUNTIME_UNKNOWN 1

#ifdef RUNTIME_WINDOW
#define RUNTIME_KEYS (RUNTIME_HEADS * RUNTIME_KEY_WIDTH) /* numbers of all heads' keys */
#endif
#define RUNTIME_BUFFER (RUNTIME_WIDTH > RUNTIME_HIDDEN ? RUNTIME_WIDTH : RUNTIME_HIDDEN)

/* All that changes: a text being read or told. Many may be at work at a time, in any threads. To be
 * reset before its first use. */
struct runtime {
    uint32_t seen;                   /* tokens since the reset; stops at its largest number */
    uint32_t newest[RUNTIME_BLOCKS]; /* row of the newest value in a block's ring */
    float x[RUNTIME_WIDTH];          /* the residual stream */
    float norm[RUNTIME_WIDTH];       /* after a token: what the head reads */
    union {
        float x[RUNTIME_BUFFER];
        int16_t whole[RUNTIME_WIDTH]; /* norm, rounded */
    } a;
    float b[RUNTIME_BUFFER];
    float ring[RUNTIME_RING_ROWS * RUNTIME_WIDTH]; /* the blocks' rings, one after the other */
#ifdef RUNTIME_WINDOW
    float keys[RUNTIME_KEY_ROWS * RUNTIME_KEYS]; /* of the blocks with attention, likewise */
    float query[RUNTIME_KEYS];
    float weights[RUNTIME_WINDOW];                /* of the tokens that a head sees */
    float sums[4][RUNTIME_WIDTH / RUNTIME_HEADS]; /* of a head's values */
#endif
#ifndef RUNTIME_NO_LOGITS
    uint32_t random[2];
    float logits[RUNTIME_VOCAB];
#endif
};

typedef char runtime_ram_is_as_stated[sizeof(struct runtime) == RUNTIME_RAM_BYTES ? 1 : -1];

/* Forgets the text: the next token is its first, and should be RUNTIME_END. Where there are
 * logits, random numbers start from seed 1. */
void runtime_reset(struct runtime *s);

/* Reads a token of a text that goes on, without asking what comes next: the cheapest. An id that is
 * no token's counts as the unknown. */
void runtime_feed(struct runtime *s, uint16_t token);

/* Reads a token; returns the likeliest next one of those that may stand in a text, the lowest id on
 * a tie. Keeps no logits. */
uint16_t runtime_step_argmax(struct runtime *s, uint16_t token);

/* Bytes of a token, *n of them, not terminated; none for padding, begin and end, U+FFFD for the
 * unknown. A character may be spread over several tokens. */
const unsigned char *runtime_text(uint16_t token, size_t *n);

#ifndef RUNTIME_NO_LOGITS
/* Reads a token; returns the logits of the next one, [RUNTIME_VOCAB], which are those in s. */
const float *runtime_step(struct runtime *s, uint16_t token);

/* After runtime_step: what runtime_step_argmax would have returned. */
uint16_t runtime_argmax(const struct runtime *s);

/* After runtime_step: a token drawn among the top_k likeliest (0: all) with the probabilities at
 * this temperature (0: the likeliest). */
uint16_t runtime_sample(struct runtime *s, float temperature, uint32_t top_k);

/* Restarts the random numbers. */
void runtime_seed(struct runtime *s, uint32_t seed);
#endif

#ifdef __cplusplus
}
#endif

#endif
