#include "sample/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "corpus/corpus.h"

void output_init(struct output *o, bool silent, bool json, uint64_t seed)
{
    struct stat st;
    *o = (struct output){.silent = silent, .json = json, .seed = seed};
    o->terminal = isatty(STDOUT_FILENO) == 1;
    o->streams = fstat(STDOUT_FILENO, &st) == 0 && !S_ISREG(st.st_mode);
}

void output_release(struct output *o)
{
    free(o->text.data);
    *o = (struct output){0};
}

/* What is not flushed is shown late; whether the write worked shows here too. */
static int flush(const struct output *o, struct err *e)
{
    if ((o->streams && fflush(stdout) != 0) || ferror(stdout))
        return err_errno(e, "standard output");
    return 0;
}

/* What makes a prompt another than the text that a person, or a program, means by it. */
static void say_doubts(const struct story *s)
{
    static const char mark[] = CORPUS_MARK;
    if (s->n_unknown > 0)
        cli_say("sample: %zu of the prompt's %zu tokens are unknown to the model\n", s->n_unknown,
                s->prompt_ids.n);
    if (s->n_invalid > 0)
        cli_say("sample: the prompt is not valid UTF-8: U+FFFD stands in %" PRIu64
                " places of it\n",
                s->n_invalid);
    if (s->prompt.n > 0 && memmem(s->prompt.data, s->prompt.n, mark, sizeof mark - 1))
        cli_say("sample: the prompt holds %s, which ends a story in a corpus and is text here, "
                "as no story has it\n",
                mark);
}

static void begin(struct output *o, struct story *s)
{
    say_doubts(s);
    o->utf8 = (struct cli_utf8){.terminal = o->terminal};
    if (!o->json) {
        if (o->n_stories > 0)
            puts(CORPUS_MARK);
        cli_utf8_write(&o->utf8, stdout, s->prompt.data, s->prompt.n);
    }
    o->n_stories++;
    s->begun = true;
}

int output_show(struct output *o, struct story *s, struct err *e)
{
    if (o->silent) {
        story_drop_ready(s);
        return 0;
    }
    bool news = !s->begun || s->ready > 0;
    if (!s->begun)
        begin(o, s);
    if (o->json || !news)
        return 0;
    cli_utf8_write(&o->utf8, stdout, s->text.data, s->ready);
    story_drop_ready(s);
    return flush(o, e);
}

/* Prompt and story in one piece, since a character may begin in one and end in the other. */
static int join(struct output *o, const struct story *s, struct err *e)
{
    size_t n = s->prompt.n + s->text.n;
    if (array_reserve(&o->text.data, &o->text.capacity, n + 1, 1))
        return err_memory(e, "out of memory for the story");
    if (s->prompt.n > 0)
        memcpy(o->text.data, s->prompt.data, s->prompt.n);
    if (s->text.n > 0)
        memcpy(o->text.data + s->prompt.n, s->text.data, s->text.n);
    o->text.n = n;
    return 0;
}

static double speed(const struct story *s)
{
    double drawn = (double)(s->n_tokens + (s->end == STORY_EOS));
    return s->seconds > 0 ? drawn / s->seconds : 0;
}

static int write_json(struct output *o, const struct story *s, struct err *e)
{
    struct cli_json j;
    if (join(o, s, e))
        return -1;
    cli_json_begin(&j, stdout);
    cli_json_bytes(&j, "prompt", s->prompt.n ? s->prompt.data : "", s->prompt.n);
    cli_json_bytes(&j, "text", o->text.data, o->text.n);
    cli_json_text(&j, "stop", story_end_names[s->end]);
    cli_json_uint(&j, "seed", o->seed);
    cli_json_uint(&j, "story", s->stream);
    cli_json_uint(&j, "n_prompt_tokens", s->prompt_ids.n);
    cli_json_uint(&j, "n_tokens", s->n_tokens);
    cli_json_real(&j, "tok_s", speed(s));
    cli_json_array(&j, "tokens");
    for (size_t i = 0; i < s->ids.n; i++)
        cli_json_item_uint(&j, s->ids.ids[i]);
    cli_json_array_end(&j);
    cli_json_array(&j, "logprobs");
    for (size_t i = 0; i < s->ids.n; i++) /* short numbers: more digits mean nothing */
        cli_json_real(&j, NULL, round((double)s->logprobs[i] * 1e6) / 1e6);
    cli_json_array_end(&j);
    cli_json_end(&j);
    return flush(o, e);
}

int output_end(struct output *o, struct story *s, struct err *e)
{
    o->n_tokens += s->n_tokens + (s->end == STORY_EOS);
    o->seconds += s->seconds;
    if (output_show(o, s, e))
        return -1;
    if (o->silent)
        return 0;
    if (o->json) {
        if (write_json(o, s, e))
            return -1;
    } else {
        cli_utf8_flush(&o->utf8, stdout);
        putchar('\n');
        if (flush(o, e))
            return -1;
    }
    if (cli.verbose)
        cli_say("sample: %llu tokens after a prompt of %zu, %.0f tokens/s, stopped by %s\n",
                (unsigned long long)(s->n_tokens + (s->end == STORY_EOS)), s->prompt_ids.n,
                speed(s), s->end == STORY_EOS ? "EOS" : story_end_names[s->end]);
    return 0;
}

void output_sum(const struct output *o, double seconds)
{
    char stories[32];
    char tokens[32];
    char spent[32];
    char rate[32];
    cli_say("sample: %s stories, %s tokens in %s, %s tokens/s\n",
            cli_count_text(stories, o->n_stories), cli_count_text(tokens, o->n_tokens),
            cli_duration_text(spent, seconds),
            cli_count_text(rate, (uint64_t)((double)o->n_tokens / (seconds + 1e-9))));
}
