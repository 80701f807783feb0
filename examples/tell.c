/* tell.c - tells a story: tell MODEL [BEGINNING [SEED]]
 * cc tell.c $(pkg-config --cflags --libs bolt) -o tell */
#include <bolt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *beginning = argc > 2 ? argv[2] : "Once upon a time";
    struct bolt_model *model;
    struct bolt_context *story = NULL;
    char message[512];
    int32_t ids[1024];
    if (bolt_open_file(argc > 1 ? argv[1] : "model.bolt", NULL, &model, message, sizeof message) ||
        bolt_context_new(model, NULL, &story, message, sizeof message)) {
        fprintf(stderr, "tell: %s\n", message);
        return 1;
    }
    bolt_reset(story, argc > 3 ? strtoull(argv[3], NULL, 10) : 42, 0);
    int64_t n = bolt_encode(story, beginning, strlen(beginning), ids, 1024);
    if (n < 0 || n > 1024) {
        fprintf(stderr, "tell: %s\n", n < 0 ? bolt_error(story) : "too many tokens to begin with");
        return 1;
    }
    printf("%s", beginning);
    for (int told = 0; bolt_step(story, ids, (size_t)n) == 0 && told < 200; told++, n = 1) {
        size_t n_bytes;
        ids[0] = bolt_sample(story, NULL, NULL);
        if (ids[0] < 0 || ids[0] == BOLT_EOS)
            break;
        const char *text = bolt_token_text(model, ids[0], &n_bytes);
        fwrite(text, 1, n_bytes, stdout);
    }
    puts("");
    bolt_context_free(story);
    bolt_close(model);
    return 0;
}
