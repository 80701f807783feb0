/* Drives a model in C source on the machine that made it. Compile with -DHEADER='"story.h"'
 * -DNAME=story -DCAPITALS=STORY, together with story.c.
 *
 *   drive logits                 token ids from standard input, the logits after each of them as
 *                                floats to standard output; checks on the way that both ways to the
 *                                likeliest token agree
 *   drive greedy N [ID]...       after the ids, N tokens or as many as come before the end, one id
 *                                a line
 *   drive text N [ID]...         the same as text
 *   drive bench N                tokens a second, over N tokens */
#include HEADER

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define OF(what) JOIN(NAME, what)
#define SIZE(what) JOIN(CAPITALS, what)

static struct NAME story;

#if defined(WITHOUT_LOGITS)
static int logits(void)
{
    return 1;
}
#else
static struct NAME second;

static int logits(void)
{
    unsigned id;
    OF(reset)(&story);
    OF(reset)(&second);
    while (scanf("%u", &id) == 1) {
        const float *y = OF(step)(&story, (uint16_t)id);
        if (OF(step_argmax)(&second, (uint16_t)id) != OF(argmax)(&story)) {
            fprintf(stderr, "drive: step_argmax and argmax differ\n");
            return 1;
        }
        if (fwrite(y, sizeof *y, SIZE(VOCAB), stdout) != SIZE(VOCAB))
            return 1;
    }
    return fflush(stdout) != 0;
}
#endif

static void show(uint16_t id, int as_text)
{
    size_t n;
    const unsigned char *text = OF(text)(id, &n);
    if (as_text)
        fwrite(text, 1, n, stdout);
    else
        printf("%u\n", (unsigned)id);
}

static int tell(int as_text, long count, char **ids)
{
    uint16_t token = SIZE(END);
    OF(reset)(&story);
    for (; *ids; ids++) {
        OF(feed)(&story, token);
        token = (uint16_t)strtoul(*ids, NULL, 10);
        if (as_text)
            show(token, 1);
    }
    for (; count > 0; count--) {
        token = OF(step_argmax)(&story, token);
        if (token == SIZE(END))
            break;
        show(token, as_text);
    }
    return fflush(stdout) != 0;
}

static int bench(long count)
{
    uint16_t token = SIZE(END);
    clock_t start = clock();
    long i;
    OF(reset)(&story);
    for (i = 0; i < count; i++)
        token = OF(step_argmax)(&story, token);
    printf("%.0f\n", (double)count * CLOCKS_PER_SEC / (double)(clock() - start));
    return 0;
}

int main(int argc, char **argv)
{
    if (sizeof story != SIZE(RAM_BYTES))
        return 1;
    if (argc == 2 && strcmp(argv[1], "logits") == 0)
        return logits();
    if (argc >= 3 && strcmp(argv[1], "greedy") == 0)
        return tell(0, strtol(argv[2], NULL, 10), argv + 3);
    if (argc >= 3 && strcmp(argv[1], "text") == 0)
        return tell(1, strtol(argv[2], NULL, 10), argv + 3);
    if (argc == 3 && strcmp(argv[1], "bench") == 0)
        return bench(strtol(argv[2], NULL, 10));
    return 2;
}
