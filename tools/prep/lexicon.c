#include "prep/lexicon.h"

#include <stdlib.h>

#include "base/array.h"
#include "os/file.h"

enum { TEXT_BYTES = 64 /* for each word, on average */ };

struct segment_head { /* in the file, then a record for each word, then the texts */
    uint32_t n_words;
    uint64_t n_bytes;
};

struct record {
    uint64_t count;
    uint32_t n;
};

static struct words *new_table(struct err *e)
{
    struct words *w = calloc(1, sizeof *w);
    if (!w) {
        (void)err_memory(e, "out of memory for words");
        return NULL;
    }
    return w;
}

static void free_table(struct words *w)
{
    if (w)
        words_release(w);
    free(w);
}

int lexicon_init(struct lexicon *l, size_t most, const char *folder, struct err *e)
{
    *l = (struct lexicon){.most = most, .folder = folder};
    struct words *w = new_table(e);
    atomic_init(&l->words, w);
    return w ? words_init(w, e) : -1;
}

void lexicon_release(struct lexicon *l)
{
    lexicon_forget(l);
    free(l->old);
    free(l->places);
    free_table(l->words);
    if (l->file)
        (void)fclose(l->file); /* a temporary file: an error does not matter */
    *l = (struct lexicon){0};
}

void lexicon_forget(struct lexicon *l)
{
    for (size_t i = 0; i < l->n_old; i++)
        free_table(l->old[i]);
    l->n_old = 0;
}

size_t lexicon_segments(const struct lexicon *l)
{
    return l->n_ended + 1;
}

bool lexicon_is_full(const struct lexicon *l)
{
    const struct words *w = l->words;
    return w->n >= l->most || w->text_bytes / TEXT_BYTES >= l->most;
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool write_words(FILE *f, const struct words *w)
{
    struct segment_head head = {.n_words = w->n};
    for (uint32_t i = 0; i < w->n; i++)
        head.n_bytes += w->items[i].n;
    bool ok = fwrite(&head, sizeof head, 1, f) == 1;
    for (uint32_t i = 0; ok && i < w->n; i++) {
        const struct record r = {w->items[i].count, w->items[i].n};
        ok = fwrite(&r, sizeof r, 1, f) == 1;
    }
    for (uint32_t i = 0; ok && i < w->n; i++)
        ok = fwrite(w->items[i].bytes, w->items[i].n, 1, f) == 1;
    return ok && fflush(f) == 0;
}

static int write_segment(struct lexicon *l, const struct words *w, struct err *e)
{
    if (array_reserve(&l->places, &l->capacity, l->n_ended + 1, sizeof *l->places))
        return err_memory(e, "out of memory for words");
    if (!l->file)
        l->file = file_unnamed_stream(l->folder);
    if (!l->file)
        return err_errno(e, "%s: cannot make a temporary file", l->folder);
    if (fseek(l->file, 0, SEEK_END) != 0 || (l->places[l->n_ended] = ftell(l->file)) < 0 ||
        !write_words(l->file, w))
        return err_errno(e, "%s: cannot write a temporary file", l->folder);
    l->n_ended++;
    return 0;
}

static int read_words(const struct lexicon *l, struct words *w, struct err *e)
{
    struct segment_head head;
    bool ok = fread(&head, sizeof head, 1, l->file) == 1;
    if (ok) {
        w->items = malloc(((size_t)head.n_words + 1) * sizeof *w->items);
        w->texts = malloc(head.n_bytes + 1);
        if (!w->items || !w->texts)
            return err_memory(e, "out of memory for %u distinct words", head.n_words);
        w->n = w->capacity = head.n_words;
    }
    const char *text = w->texts;
    for (uint32_t i = 0; ok && i < w->n; i++) {
        struct record r;
        ok = fread(&r, sizeof r, 1, l->file) == 1;
        w->items[i] =
            (struct pretoken){.bytes = (const unsigned char *)text, .n = r.n, .count = r.count};
        text += r.n;
    }
    ok = ok && (!head.n_bytes || fread(w->texts, head.n_bytes, 1, l->file) == 1);
    return ok ? 0 : err_errno(e, "%s: cannot read a temporary file", l->folder);
}

int lexicon_read(const struct lexicon *l, size_t segment, struct words *w, struct err *e)
{
    *w = (struct words){0};
    if (fseek(l->file, l->places[segment], SEEK_SET) != 0)
        return err_errno(e, "%s: cannot read a temporary file", l->folder);
    return read_words(l, w, e);
}

/* ---- segments -------------------------------------------------------------------------------- */

int lexicon_prune(struct lexicon *l, struct err *e)
{
    if (array_reserve(&l->old, &l->old_capacity, l->n_old + 1, sizeof *l->old))
        return err_memory(e, "out of memory for words");
    struct words *before = l->words, *kept = new_table(e);
    if (!kept)
        return -1;
    if (words_keep(before, l->most / 2, l->most / 2 * TEXT_BYTES, kept, e) ||
        write_segment(l, before, e)) {
        free_table(kept);
        return -1;
    }
    kept->segment = before->segment + 1;
    l->old[l->n_old++] = before;
    atomic_store(&l->words, kept);
    return 0;
}
