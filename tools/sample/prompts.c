#include "sample/prompts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"

enum { READ_BYTES = 1 << 16 };

void prompts_init(struct prompts *p, const char *const *items, size_t n_items, int fd,
                  uint64_t count)
{
    *p = (struct prompts){
        .items = items, .n_items = n_items, .fd = n_items ? -1 : fd, .count = count};
}

void prompts_release(struct prompts *p)
{
    free(p->data);
    *p = (struct prompts){.fd = -1};
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!memchr(" \t\r\n", line[i], 4))
            return false;
    return true;
}

/* The first end of a line in s[0..n), or NULL. A carriage return is one by itself: that of a pair
 * leaves a blank line after it, which is not a prompt. */
static const char *line_end(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_line_end(s[i]))
            return s + i;
    return NULL;
}

/* The next line without its end; the last may have none. */
static bool next_line(struct prompts *p, const char **line, size_t *n)
{
    if (p->start == p->n)
        return false;
    const char *end = line_end(p->data + p->seen, p->n - p->seen);
    if (!end && p->fd >= 0) {
        p->seen = p->n;
        return false;
    }
    *line = p->data + p->start;
    *n = (size_t)((end ? end : p->data + p->n) - *line);
    p->n_lines -= end != NULL;
    p->start = p->seen = end ? (size_t)(end - p->data) + 1 : p->n;
    if (!p->begun && *n >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0) {
        *line += 3;
        *n -= 3;
    }
    p->begun = true;
    return true;
}

static bool next_prompt(struct prompts *p)
{
    struct prompt *h = &p->at_hand;
    *h = (struct prompt){.text = ""};
    if (p->next < p->n_items) {
        h->text = p->items[p->next++];
        h->n = strlen(h->text);
        return true;
    }
    while (next_line(p, &h->text, &h->n))
        if (!is_blank(h->text, h->n))
            return true;
    *h = (struct prompt){.text = ""};
    return !p->met && !prompts_open(p);
}

bool prompts_next(struct prompts *p, struct prompt *out)
{
    if (p->left == 0) {
        if (!next_prompt(p))
            return false;
        p->left = p->count;
        p->met = true;
    }
    p->left--;
    *out = p->at_hand;
    p->at_hand.stream++;
    return true;
}

uint64_t prompts_waiting(const struct prompts *p)
{
    uint64_t prompts = p->n_items - p->next + p->n_lines;
    if (p->fd < 0 && p->n > p->start)
        prompts++; /* the last line may have no end */
    if (p->fd < 0 && !p->met && p->n_items == 0)
        prompts++;
    uint64_t stories;
    if (__builtin_mul_overflow(prompts, p->count, &stories) ||
        __builtin_add_overflow(stories, p->left, &stories))
        return UINT64_MAX / 2;
    return MIN(stories, UINT64_MAX / 2);
}

bool prompts_open(const struct prompts *p)
{
    return p->fd >= 0;
}

int prompts_read(struct prompts *p, struct err *e)
{
    if (p->start > 0)
        memmove(p->data, p->data + p->start, p->n - p->start);
    p->n -= p->start;
    p->seen -= p->start;
    p->start = 0;
    if (array_reserve(&p->data, &p->capacity, p->n + READ_BYTES, 1))
        return err_memory(e, "standard input: out of memory for a line");
    ssize_t got = read(p->fd, p->data + p->n, READ_BYTES);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : err_errno(e, "standard input");
    if (got == 0)
        p->fd = -1;
    for (ssize_t i = 0; i < got; i++)
        p->n_lines += is_line_end(p->data[p->n + (size_t)i]);
    p->n += (size_t)got;
    return 0;
}
