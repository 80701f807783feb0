/* split.h - cuts the bytes of a member into stories, as they come: the text form and the JSON
 * forms.
 *
 * All three are used alike: a zeroed struct split with its first members set, feed with each block,
 * finish at the end, release in any case. */
#ifndef SPLIT_H
#define SPLIT_H

#include "corpus/corpus.h"

struct split {
    /* set by the caller */
    const char *name;    /* of the file, for messages */
    const char *field;   /* of a JSON object */
    size_t limit;        /* most bytes of a story (of an element, in JSON) */
    corpus_story *story; /* called for each story with `context` */
    void *context;
    /* kept by the splitter */
    char *buffer; /* owned: the story or element that is not complete yet */
    size_t n;
    size_t capacity;
    size_t scanned;      /* bytes of the buffer that need not be looked at again */
    uint64_t n_done;     /* lines or elements that are complete */
    int place;           /* JSON array: where in the array the next byte stands */
    size_t depth;        /* JSON array: open brackets within the element */
    bool quoted, escape; /* JSON array: within a string, behind a backslash */
};

/* Appends to the buffer; an error when it would outgrow `most`. */
MUST_USE int split_append(struct split *s, const char *data, size_t n, size_t most, struct err *e);
void split_release(struct split *s);

/* Text: the mark <|endoftext|> ends a story, wherever it stands: on a line of its own or inline at
 * the end of a line; the line's end behind it is white space before the next story. What follows
 * the last mark is a story if it has anything but white space in it. */
MUST_USE int textsplit_feed(struct split *s, const char *data, size_t n, struct err *e);
MUST_USE int textsplit_finish(struct split *s, struct err *e);

/* White space of JSON. */
static inline bool split_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One complete JSON object, by way of jansson: its field to the caller, and one more in n_done.
 * `kind` is "line" or "element", for messages. */
MUST_USE int jsonstory_take(struct split *s, const char *text, size_t n, const char *kind,
                            struct err *e);

/* A JSON array of objects; bytes outside of the elements are checked, elements go to jansson one by
 * one. */
MUST_USE int jsonarray_feed(struct split *s, const char *data, size_t n, struct err *e);
MUST_USE int jsonarray_finish(struct split *s, struct err *e);

/* JSON lines: an object a line, blank lines passed over, the last line's end may be missing. */
MUST_USE int jsonlines_feed(struct split *s, const char *data, size_t n, struct err *e);
MUST_USE int jsonlines_finish(struct split *s, struct err *e);

#endif
