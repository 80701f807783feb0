/* claim.h - the folder that prep writes to, kept from others meanwhile. */
#ifndef CLAIM_H
#define CLAIM_H

#include "base/err.h"

struct claim {  /* claim_release in any case */
    int folder; /* descriptors; -1 for none */
    int vocab;
};

/* Keeps other preps out: two that write at once would each leave a list without the other's shards.
 * With `replaces`, what stands in the folder is to go, which is an error while a run of train
 * learns from it: it could not be resumed. Such runs hold vocab.db (FILE_SHARED), which --append
 * leaves as it is. On NFS, which locks only what is open for writing, a folder cannot be held, so
 * other preps are not kept out there. */
MUST_USE int claim_folder(struct claim *c, const char *folder, bool replaces, struct err *e);
void claim_release(struct claim *c);

#endif
