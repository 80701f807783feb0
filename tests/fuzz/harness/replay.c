/* Gives a fuzz target the files of a folder, without libFuzzer: NAME FOLDER. Crashers stay mended.
 */
#include <dirent.h>

#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "rb");
    FUZZ_CHECK(in && fseek(in, 0, SEEK_END) == 0);
    size_t n = (size_t)ftell(in);
    rewind(in);
    uint8_t *data = fuzz_alloc(n);
    FUZZ_CHECK(fread(data, 1, n, in) == n);
    fclose(in);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
}

int main(int argc, char **argv)
{
    struct dirent **names;
    unsigned n_passed = 0;
    int n = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    if (n < 0) {
        fprintf(stderr, "replay: no folder of inputs\n");
        return 1;
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            printf("%s\n", names[i]->d_name); /* the last one, should it crash */
            fflush(stdout);
            replay(argv[1], names[i]->d_name);
            n_passed++;
        }
        free(names[i]);
    }
    free(names);
    printf("%u passed, %d failed\n", n_passed, n_passed == 0);
    return n_passed == 0;
}
