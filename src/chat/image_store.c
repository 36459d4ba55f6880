#include "chat/image_store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/crypto.h"
#include "util/mem.h"

#define NAME_HEX_LEN 32

struct image_store {
    struct work *work;
    char *dir;
    size_t max_bytes;
};

static const struct {
    const char *extension;
    const char *content_type;
} types[] = {
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
};

/* One file on its way to or from the disk. */
struct job {
    struct image_store *images;
    char name[IMAGE_NAME_SIZE];
    const char *content_type;
    struct buf bytes;
    enum status status;
    image_saved_fn saved;
    image_read_fn read;
    void *arg;
};

struct image_store *image_store_new(struct work *work, const char *dir, size_t max_bytes)
{
    struct image_store *images = xcalloc(1, sizeof(*images));
    images->work = work;
    images->dir = xstrdup(dir);
    images->max_bytes = max_bytes;
    return images;
}

void image_store_free(struct image_store *images)
{
    if (!images)
        return;
    free(images->dir);
    free(images);
}

static struct job *job_new(struct image_store *images, void *arg)
{
    struct job *job = xcalloc(1, sizeof(*job));
    job->images = images;
    job->arg = arg;
    buf_init(&job->bytes, images->max_bytes);
    return job;
}

static void job_free(struct job *job)
{
    buf_done(&job->bytes);
    free(job);
}

static void no_job(void *arg)
{
    (void)arg;
}

static enum status write_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ST_STORE;
        bytes = str_sub(bytes, (size_t)n, bytes.n);
    }
    return ST_OK;
}

/* Written under a temporary name and renamed, so that a crash leaves no half image to be served. */
static void save_job(void *arg)
{
    struct job *job = arg;
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", job->images->dir, job->name);
    DB_CLEANUP(free_charp) char *temporary = xasprintf("%s.part", path);
    job->status = ST_STORE;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return;
    enum status status = write_all(fd, buf_str(&job->bytes));
    if (fsync(fd) != 0)
        status = ST_STORE;
    if (close(fd) != 0)
        status = ST_STORE;
    if (status == ST_OK && rename(temporary, path) == 0)
        job->status = ST_OK;
    else
        (void)unlink(temporary);
}

static void save_end(void *arg)
{
    struct job *job = arg;
    job->saved(job->status, job->name, job->arg);
    job_free(job);
}

void image_store_save(struct image_store *images, struct str bytes, const char *extension,
                      image_saved_fn fn, void *arg)
{
    struct job *job = job_new(images, arg);
    job->saved = fn;
    char hex[NAME_HEX_LEN + 1];
    crypto_random_hex(hex, NAME_HEX_LEN / 2);
    (void)snprintf(job->name, sizeof(job->name), "%s.%s", hex, extension);
    job->status = buf_add_str(&job->bytes, bytes);
    work_run(images->work, job->status == ST_OK ? save_job : no_job, save_end, job);
}

/* The content type of a name that may be looked for: letters, digits, '-', '_' and dots with an
 * image's extension; NULL for any other, so that no path can be smuggled in. Other names than ours
 * are those of a predecessor whose directory was kept. */
static const char *content_type_of(struct str name)
{
    if (name.n == 0 || name.n >= IMAGE_NAME_SIZE || name.p[0] == '.')
        return NULL;
    size_t dot = 0;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (!isalnum(c) && c != '-' && c != '_' && c != '.')
            return NULL;
        if (c == '.')
            dot = i;
    }
    struct str extension = str_sub(name, dot + 1, name.n);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(extension, str_of(types[i].extension)))
            return types[i].content_type;
    }
    return NULL;
}

static enum status read_all(int fd, struct buf *out)
{
    char chunk[64 * 1024];
    while (buf_status(out) == ST_OK) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ST_STORE;
        if (n == 0)
            return ST_OK;
        (void)buf_add(out, chunk, (size_t)n);
    }
    return ST_TOO_LARGE;
}

static void read_job(void *arg)
{
    struct job *job = arg;
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", job->images->dir, job->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        job->status = ST_NOT_FOUND;
        return;
    }
    job->status = read_all(fd, &job->bytes);
    (void)close(fd);
}

static void read_end(void *arg)
{
    struct job *job = arg;
    job->read(job->status, buf_str(&job->bytes), job->content_type, job->arg);
    job_free(job);
}

void image_store_read(struct image_store *images, struct str name, image_read_fn fn, void *arg)
{
    struct job *job = job_new(images, arg);
    job->read = fn;
    job->content_type = content_type_of(name);
    if (!job->content_type) {
        job->status = ST_NOT_FOUND;
        work_run(images->work, no_job, read_end, job);
        return;
    }
    (void)snprintf(job->name, sizeof(job->name), "%.*s", (int)name.n, name.p);
    work_run(images->work, read_job, read_end, job);
}
