// Faults at the n-th system call that touches files below a directory, for tests: LD_PRELOAD this.
//
// hg_arm(directory, n, what): at the n-th call from now on (0 is the next one)
//   'k'  the process dies before the call          'K'  the process dies after it
//   'e'  the call fails with EIO, once             's'  the call fails with ENOSPC, once
//   'E'  it and all after it fail with EIO         'p'  power fails before the call: what was not
//                                                       synchronised is gone, or half of it
// hg_count(): calls so far. hg_retried(): 1 when a failed fsync was tried again on the same file.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
#define CREATED 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char below[PATH_MAX];
static long at = -1, count;
static char what;
static int retried;
static char failed_sync[FDS], ours[FDS], is_directory[FDS];
static char names[FDS][PATH_MAX];
static off_t synced[FDS];
static off_t dirty_from[FDS], dirty_to[FDS];  // written since, where the file was that long already
static char created[CREATED][PATH_MAX];
static int creations;

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

void hg_arm(const char *directory, long n, int fault) {
    pthread_mutex_lock(&lock);
    snprintf(below, sizeof below, "%s", directory);
    at = n; what = (char)fault; count = 0; retried = 0; creations = 0;
    memset(failed_sync, 0, sizeof failed_sync);
    pthread_mutex_unlock(&lock);
}
long hg_count(void) { return count; }
int hg_retried(void) { return retried; }

static int watched(const char *path) {
    size_t n = strlen(below);
    return n && path && !strncmp(path, below, n);
}
static int watched_fd(int fd) { return fd >= 0 && fd < FDS && ours[fd]; }

// Power fails: names whose directory was not synchronised are gone, and of what a file holds beyond
// its last synchronisation only a half is left; where it was written over zeros, they are back. Not
// by the functions below: they count.
static void power_failure(void) {
    for (int fd = 0; fd < FDS; fd++) {
        struct stat about;
        if (!ours[fd] || is_directory[fd] || fstat(fd, &about) || !S_ISREG(about.st_mode)) continue;
        if (about.st_size > synced[fd]) {
            int other = (int)syscall(SYS_openat, AT_FDCWD, names[fd], O_WRONLY | O_CLOEXEC);
            off_t half = synced[fd] + (about.st_size - synced[fd]) / 2;
            if (other >= 0 && syscall(SYS_ftruncate, other, half)) { /* as far as it goes */ }
        } else if (dirty_to[fd] > dirty_from[fd]) {
            int other = (int)syscall(SYS_openat, AT_FDCWD, names[fd], O_WRONLY | O_CLOEXEC);
            off_t half = dirty_from[fd] + (dirty_to[fd] - dirty_from[fd]) / 2;
            for (; other >= 0 && half < dirty_to[fd]; half++)
                if (syscall(SYS_pwrite64, other, "", 1, half) != 1) break;
        }
    }
    for (int i = 0; i < creations; i++) if (created[i][0]) syscall(SYS_unlink, created[i]);
}

// Counts a call. Returns 0, or the error that it fails with; may not return. *after: die after it.
static int strike(int *after) {
    int error = 0;
    pthread_mutex_lock(&lock);
    long n = count++;
    if (at >= 0 && (n == at || (what == 'E' && n > at))) {
        switch (what) {
        case 'k': _exit(9);
        case 'p': at = -1; power_failure(); _exit(9);
        case 'K': *after = 1; break;
        case 'e': case 'E': error = EIO; break;
        case 's': error = ENOSPC; break;
        }
    }
    pthread_mutex_unlock(&lock);
    return error;
}

#define FAULT(watch, bad) \
    int after = 0; \
    if (watch) { int error = strike(&after); if (error) { errno = error; return bad; } }
#define DONE(result) do { if (after) _exit(9); return result; } while (0)

static void opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= FDS) return;
    ours[fd] = watched(path);
    failed_sync[fd] = 0;
    if (!ours[fd]) return;
    struct stat about;
    snprintf(names[fd], PATH_MAX, "%s", path);
    is_directory[fd] = !fstat(fd, &about) && S_ISDIR(about.st_mode);
    synced[fd] = fstat(fd, &about) ? 0 : about.st_size;
    dirty_from[fd] = dirty_to[fd] = 0;
    if ((flags & O_CREAT) && !existed && creations < CREATED)
        snprintf(created[creations++], PATH_MAX, "%s", path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        FAULT(watched(path) && (flags & (O_CREAT | O_WRONLY | O_RDWR)), -1) \
        int existed = !access(path, F_OK); \
        int fd = real(path, flags, mode); \
        opened(fd, path, flags, existed); \
        DONE(fd); \
    }
OPEN(open)
OPEN(open64)

static void wrote(int fd, ssize_t size) {
    off_t end = size > 0 && watched_fd(fd) ? lseek(fd, 0, SEEK_CUR) : -1;
    if (end < size) return;
    if (dirty_to[fd] == dirty_from[fd]) dirty_from[fd] = end - size;
    dirty_to[fd] = end;
}

#define WRITE(name, ...) { REAL(name); FAULT(watched_fd(fd), -1) ssize_t written = real(__VA_ARGS__); wrote(fd, written); DONE(written); }
ssize_t write(int fd, const void *data, size_t size) WRITE(write, fd, data, size)
ssize_t pwrite(int fd, const void *data, size_t size, off_t where) WRITE(pwrite, fd, data, size, where)
ssize_t writev(int fd, const struct iovec *parts, int n) WRITE(writev, fd, parts, n)

static int do_sync(int (*real)(int), int fd) {
    int mine = watched_fd(fd);
    if (mine && failed_sync[fd]) retried = 1;
    int after = 0;
    if (mine) {
        int error = strike(&after);
        if (error) { failed_sync[fd] = 1; errno = error; return -1; }
    }
    int result = real(fd);
    if (mine && !result) {
        struct stat about;
        if (!fstat(fd, &about)) synced[fd] = about.st_size;
        dirty_from[fd] = dirty_to[fd] = 0;
        if (is_directory[fd]) {
            size_t n = strlen(names[fd]);
            for (int i = 0; i < creations; i++) {
                char *slash = strrchr(created[i], '/');
                if (slash && (size_t)(slash - created[i]) == n && !strncmp(created[i], names[fd], n))
                    created[i][0] = 0;
            }
        }
    }
    if (after) _exit(9);
    return result;
}
int fsync(int fd) { REAL(fsync); return do_sync(real, fd); }
int fdatasync(int fd) { REAL(fdatasync); return do_sync(real, fd); }

int close(int fd) {
    REAL(close);
    FAULT(watched_fd(fd), -1)
    if (fd >= 0 && fd < FDS) ours[fd] = 0;
    int result = real(fd);
    DONE(result);
}
int rename(const char *old, const char *new) {
    REAL(rename);
    FAULT(watched(new), -1)
    int result = real(old, new);
    if (!result && watched(new))
        for (int i = 0; i < creations; i++) if (!strcmp(created[i], old)) created[i][0] = 0;
    DONE(result);
}
int link(const char *old, const char *new) {
    REAL(link);
    FAULT(watched(new), -1)
    int result = real(old, new);
    if (!result && watched(new) && creations < CREATED)
        snprintf(created[creations++], PATH_MAX, "%s", new);
    DONE(result);
}
#define TRUNCATE(name, type) \
    int name(int fd, type size) { \
        REAL(name); FAULT(watched_fd(fd), -1) int result = real(fd, size); DONE(result); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
int unlink(const char *path) {
    REAL(unlink); FAULT(watched(path), -1) int result = real(path); DONE(result);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir); FAULT(watched(path), -1) int result = real(path, mode); DONE(result);
}
#define FALLOCATE(name, type) \
    int name(int fd, type from, type size) { \
        REAL(name); \
        int after = 0; \
        if (watched_fd(fd)) { int error = strike(&after); if (error) return error; } \
        int result = real(fd, from, size); \
        DONE(result); \
    }
FALLOCATE(posix_fallocate, off_t)
FALLOCATE(posix_fallocate64, off64_t)
