#include "prep/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file.h"

static int claim_vocabulary(struct claim *c, const char *folder, struct err *e)
{
    char *path;
    if (asprintf(&path, "%s/vocab.db", folder) < 0)
        return err_memory(e, "%s: out of memory", folder);
    int rc = 0;
    c->vocab = file_open_to_hold(AT_FDCWD, path, 0);
    if (c->vocab < 0 && errno != ENOENT)
        rc = err_errno(e, "%s: cannot open", path);
    else if (c->vocab >= 0 && !file_hold(c->vocab, FILE_ALONE))
        rc = err_system(e,
                        "%s: a run of train learns from this folder; choose another -o, stop it "
                        "first, or add to the folder with --append",
                        folder);
    free(path);
    return rc;
}

int claim_folder(struct claim *c, const char *folder, bool replaces, struct err *e)
{
    *c = (struct claim){open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1};
    if (c->folder < 0)
        return err_errno(e, "%s: cannot open", folder);
    if (!file_hold(c->folder, FILE_ALONE))
        return err_system(e, "%s: another prep is writing to this folder", folder);
    return replaces ? claim_vocabulary(c, folder, e) : 0;
}

void claim_release(struct claim *c)
{
    if (c->folder >= 0)
        close(c->folder);
    if (c->vocab >= 0)
        close(c->vocab);
    *c = (struct claim){-1, -1};
}
