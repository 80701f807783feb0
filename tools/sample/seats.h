/* seats.h - the stories that one thread tells at a time, each in a seat: up to INFER_ROWS.
 *
 * Each step reads the newest token of every story as one product of many rows and draws the next of
 * each; where a story ends another takes its seat at once. Prompts are read in rows too
 * (model/teller.h). */
#ifndef SEATS_H
#define SEATS_H

#include "model/shortlist.h"
#include "model/teller.h"
#include "sample/queue.h"
#include "sample/sample.h"
#include "sample/split.h"

/* Seconds spent in the two halves of a step: for measurements. */
struct seats_times {
    double feed; /* embedding and blocks */
    double head;
};

struct seat {
    struct arena arena; /* of the stream */
    struct teller_story told;
    struct story *story;
    double start; /* of drawing, clock_seconds */
};

/* Set sample to split, the rest being zero. Memory is taken when the first story comes, a seat's
 * when all others are taken; from then on a token takes none. */
struct seats {
    const struct sample *sample;
    struct queue *queue;
    size_t number;             /* the queue's */
    bool keep_ids;             /* stories keep ids and log-probabilities */
    struct seats_times *times; /* to be added to; may be NULL */
    struct pool *split;        /* helps with the head of a lone story; may be NULL */
    struct pool *together;     /* helps with long prompts, if nobody else uses it; may be NULL */

    struct arena arena;
    struct teller teller;
    struct shortlist shortlist;   /* in exact arithmetic */
    struct infer_readers readers; /* with `together` */
    struct tokenizer_cache *cache;
    struct seat seats[INFER_ROWS]; /* the first n are taken, the first n_seats laid out */
    size_t n;
    size_t n_seats;
    struct split choice;
};

/* Tells until the queue has no story left or has failed; failures of its own go to the queue. May
 * be called again with another queue. */
void seats_run(struct seats *t);

void seats_release(struct seats *t); /* safe if it never ran */

#endif
