// A disk that hangs, is slow or turns read-only. Preloaded into a gateway, it lets writes to files called journal.sqlite or
// committed wait or fail while the file that DISK_STATE names says so: "hang", "slow" or "read-only". One that is slow lets
// reads wait as well.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// How long a read or a write takes on a slow disk.
#define SLOW_US 2000

static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/journal.sqlite") || strstr(path, "/committed");
}

static char state(void) {
    char first = 0;
    int file = open(getenv("DISK_STATE"), O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, &first, 1) != 1)
            first = 0;
        close(file);
    }
    return first;
}

// Waits while the disk hangs; returns whether the write fails.
static int fails(int fd) {
    if (!is_journal(fd))
        return 0;
    if (state() == 's')
        usleep(SLOW_US);
    while (state() == 'h')
        usleep(1000);
    if (state() != 'r')
        return 0;
    errno = EROFS;
    return 1;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t length) { return fails(fd) ? -1 : REAL(write)(fd, data, length); }

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    return fails(fd) ? -1 : REAL(pwrite64)(fd, data, length, at);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t at) {
    if (is_journal(fd) && state() == 's')
        usleep(SLOW_US);
    return REAL(pread64)(fd, data, length, at);
}

int ftruncate64(int fd, off64_t length) { return fails(fd) ? -1 : REAL(ftruncate64)(fd, length); }

int ftruncate(int fd, off_t length) { return fails(fd) ? -1 : REAL(ftruncate)(fd, length); }

int fsync(int fd) { return fails(fd) ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return fails(fd) ? -1 : REAL(fdatasync)(fd); }
