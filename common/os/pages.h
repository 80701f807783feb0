/* pages.h - memory in pages of the system: huge ones from 2 MiB up, where it has them. */
#ifndef PAGES_H
#define PAGES_H

#include "base/memory.h"

extern const struct memory pages_memory;

#endif
