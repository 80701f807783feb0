/* Maps without static memory: all that libbolt needs of file.h. */
#include "os/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int file_map_plain(struct file_map *m, const char *path, struct err *e)
{
    *m = (struct file_map){0};
    /* O_NONBLOCK: opening a pipe must not wait for a writer before it is refused */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, "%s: cannot open", path);
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st) != 0)
        rc = err_errno(e, "%s: cannot examine", path);
    else if (S_ISDIR(st.st_mode))
        rc = err_system(e, "%s: is a directory, expected a file", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_system(e, "%s: not a regular file", path);
    else if ((uintmax_t)st.st_size > PTRDIFF_MAX)
        rc = err_system(e, "%s: too large to map (%jd bytes)", path, (intmax_t)st.st_size);
    else if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            rc = err_errno(e, "%s: cannot map", path);
        else
            *m = (struct file_map){.data = data, .size = (size_t)st.st_size};
    }
    close(fd); /* only read: nothing can be lost */
    return rc;
}

void file_unmap_plain(struct file_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->size);
    *m = (struct file_map){0};
}
