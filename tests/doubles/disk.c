/*
 * A double of a disk that fills up, breaks, or goes down with its machine. Stands between the
 * program and the C library (LD_PRELOAD) and looks only at files whose path holds DISK_MATCH.
 *
 *   DISK_KILL_AT=N   SIGKILL before the N-th moment: each sync, and each first write after one
 *   DISK_STATE=FILE  while FILE begins with "full", writes fail with ENOSPC; with "broken", syncs
 * fail with EIO
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long n_moments;
static bool is_dirty;

static bool is_ours(int fd)
{
    const char *match = getenv("DISK_MATCH");
    char link[64], path[512];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = match ? readlink(link, path, sizeof(path) - 1) : -1;
    if (n < 0)
        return false;
    path[n] = '\0';
    return strstr(path, match) != NULL;
}

static void pass_moment(bool is_sync)
{
    const char *kill_at = getenv("DISK_KILL_AT");
    pthread_mutex_lock(&lock);
    bool is_moment = is_sync || !is_dirty;
    is_dirty = !is_sync;
    if (is_moment && kill_at && ++n_moments == strtol(kill_at, NULL, 10))
        (void)kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&lock);
}

static bool is_in_state(const char *state)
{
    const char *file = getenv("DISK_STATE");
    char word[16] = "";
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t n = read(fd, word, sizeof(word) - 1);
    (void)close(fd);
    return n > 0 && strncmp(word, state, strlen(state)) == 0;
}

static int check(int fd, bool is_sync)
{
    if (!is_ours(fd))
        return 0;
    pass_moment(is_sync);
    if (!is_in_state(is_sync ? "broken" : "full"))
        return 0;
    errno = is_sync ? EIO : ENOSPC;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, int64_t at)
{
    return check(fd, false) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return check(fd, false) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, bytes, n, at);
}

int ftruncate64(int fd, int64_t size)
{
    return check(fd, false) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fdatasync(int fd)
{
    return check(fd, true) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return check(fd, true) ? -1 : (int)syscall(SYS_fsync, fd);
}
