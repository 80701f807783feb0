/* teller.h - one thread that tells up to INFER_ROWS stories at a time.
 *
 * Each step feeds the last token of every story it tells as one product of many rows, and draws the
 * next of each; where a story ends another takes its place at once. Prompts are read in rows too.
 * What is drawn depends on the story only, since every story has its own stream and random numbers
 * and a row's logits are the same bits in any company. */
#ifndef TELLER_H
#define TELLER_H

#include "os/clock.h"
#include "sample/queue.h"
#include "sample/sample.h"
#include "sample/split.h"

/* Seconds spent in the two halves of a step: for measurements. */
struct teller_times {
    double feed; /* embedding and blocks */
    double head;
};

/* A story being told. */
struct teller_seat {
    struct arena arena; /* of the stream */
    struct infer_stream stream;
    struct sampler sampler;
    struct story *story;
    uint16_t token; /* to be fed next */
    double start;   /* of drawing, clock_seconds */
};

/* Set sample to split, the rest being zero. Memory is taken when the first story comes, a seat's
 * when all others are taken; from then on a token takes none. */
struct teller {
    const struct sample *sample;
    struct queue *queue;
    size_t number;              /* the queue's */
    bool keep_ids;              /* stories keep ids and log-probabilities */
    struct teller_times *times; /* to be added to; may be NULL */
    struct pool *split;         /* helps with the head of a lone story; may be NULL */

    struct arena arena;
    struct infer infer;
    struct sampler_scratch scratch;
    struct tokenizer_cache *cache;
    float *logits;                     /* [TELLER_HEAD_ROWS][V] */
    struct infer_row rows[INFER_ROWS]; /* to be fed */
    size_t n_rows;
    struct teller_seat seats[INFER_ROWS]; /* the first n are taken, the first n_seats laid out */
    size_t n;
    size_t n_seats;
    struct split choice;
};

/* Rows whose logits are made at once: few enough for all of them to stay in the cache. */
enum { TELLER_HEAD_ROWS = 8 };

/* Tells until the queue has no story left or has failed; failures of its own go to the queue. May
 * be called again with another queue. */
void teller_run(struct teller *t);

void teller_release(struct teller *t); /* safe if it never ran */

#endif
