#include "prep/sources.h"

#include <string.h>

struct vocabdb_source sources_total(const struct intake *in, enum intake_split split)
{
    struct vocabdb_source total = {.name = "(all)", .split = intake_split_names[split]};
    for (size_t i = 0; i < in->n_sources; i++) {
        const struct vocabdb_source *s = &in->sources[i];
        if (strcmp(s->split, total.split))
            continue;
        total.n_stories += s->n_stories;
        total.n_duplicates += s->n_duplicates;
        total.n_empty += s->n_empty;
        total.n_invalid += s->n_invalid;
        total.n_chars += s->n_chars;
        total.n_bytes += s->n_bytes;
    }
    return total;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void sources_add(struct intake *in, const char *path, enum intake_split own,
                 const struct vocabdb_source rows[INTAKE_N_SPLITS])
{
    for (int split = 0; split < INTAKE_N_SPLITS; split++) {
        const struct vocabdb_source *row = &rows[split];
        if (split != (int)own && !row->n_stories && !row->n_duplicates)
            continue;
        in->sources[in->n_sources] = *row;
        in->sources[in->n_sources].name = base_name(path);
        in->sources[in->n_sources++].split = intake_split_names[split];
    }
}

/* The row of the file that a training story came from, before that of the same file for validation.
 */
static struct vocabdb_source *rows_of(struct intake *in, uint64_t place)
{
    size_t i = 0;
    for (;; i++) {
        bool train = !strcmp(in->sources[i].split, intake_split_names[INTAKE_TRAIN]);
        if (train && place < in->sources[i].n_stories)
            break;
        place -= train ? in->sources[i].n_stories : 0;
    }
    struct vocabdb_source *row = &in->sources[i];
    const char *valid = intake_split_names[INTAKE_VALID];
    if (i + 1 == in->n_sources || strcmp(row[1].split, valid) != 0) {
        memmove(row + 2, row + 1, (in->n_sources - i - 1) * sizeof *row);
        row[1] = (struct vocabdb_source){.name = row->name, .split = valid};
        in->n_sources++;
    }
    return row;
}

void sources_move(struct intake *in, uint64_t place, uint64_t n_chars, uint64_t n_bytes)
{
    struct vocabdb_source *row = rows_of(in, place);
    for (int split = 0; split < INTAKE_N_SPLITS; split++) {
        uint64_t sign = split == INTAKE_TRAIN ? UINT64_MAX : 1; /* -1 */
        row[split].n_stories += sign;
        row[split].n_chars += sign * n_chars;
        row[split].n_bytes += sign * n_bytes;
    }
}
