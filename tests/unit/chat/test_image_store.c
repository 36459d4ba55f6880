#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chat/image_store.h"
#include "util/buf.h"
#include "util/mem.h"

#define PATIENCE_MS 10000
#define BYTES_MAX 1000

struct fixture {
    char dir[64];
    struct loop *loop;
    struct work *work;
    struct image_store *images;
};

/* The one answer that was waited for. */
struct answer {
    bool is_here;
    enum status status;
    char name[IMAGE_NAME_SIZE];
    char content_type[32];
    struct buf bytes;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/dingbridge-images-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(loop_new(&f->loop), ST_OK);
    f->work = work_new(f->loop);
    f->images = image_store_new(f->work, f->dir, BYTES_MAX);
    *state = f;
    return 0;
}

/* The names in the directory, each once; how many there were. */
static size_t count_files(const struct fixture *f, bool want_removed)
{
    size_t n = 0;
    DIR *dir = opendir(f->dir);
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        n++;
        DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", f->dir, entry->d_name);
        if (want_removed && unlink(path) != 0)
            (void)rmdir(path);
    }
    (void)closedir(dir);
    return n;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    work_free(f->work);
    image_store_free(f->images);
    loop_free(f->loop);
    (void)count_files(f, true);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static bool is_here(void *arg)
{
    return ((const struct answer *)arg)->is_here;
}

static void on_saved(enum status status, const char *name, void *arg)
{
    struct answer *answer = arg;
    assert_false(answer->is_here);
    answer->is_here = true;
    answer->status = status;
    (void)snprintf(answer->name, sizeof(answer->name), "%s", name);
}

static struct answer save_now(struct fixture *f, struct str bytes, const char *extension)
{
    struct answer answer = {0};
    image_store_save(f->images, bytes, extension, on_saved, &answer);
    assert_false(answer.is_here);
    assert_true(loop_run_until(f->loop, is_here, &answer, PATIENCE_MS));
    return answer;
}

static void on_read(enum status status, struct str bytes, const char *content_type, void *arg)
{
    struct answer *answer = arg;
    assert_false(answer->is_here);
    answer->is_here = true;
    answer->status = status;
    if (status == ST_OK) {
        buf_add_str(&answer->bytes, bytes);
        (void)snprintf(answer->content_type, sizeof(answer->content_type), "%s", content_type);
    }
}

static struct answer read_now(struct fixture *f, struct str name)
{
    struct answer answer = {.bytes = BUF_INIT(1 << 20)};
    image_store_read(f->images, name, on_read, &answer);
    assert_false(answer.is_here);
    assert_true(loop_run_until(f->loop, is_here, &answer, PATIENCE_MS));
    return answer;
}

static void every_kind_of_picture_comes_back_with_its_type(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[][2] = {
        {"png", "image/png"}, {"jpg", "image/jpeg"}, {"gif", "image/gif"}, {"webp", "image/webp"}};
    for (size_t i = 0; i < 4; i++) {
        struct str bytes = STR_LIT("\x89PNG\0\r\n\xff bytes");
        struct answer saved = save_now(f, bytes, kinds[i][0]);
        assert_int_equal(saved.status, ST_OK);
        struct answer read = read_now(f, str_of(saved.name));
        assert_int_equal(read.status, ST_OK);
        assert_string_equal(read.content_type, kinds[i][1]);
        assert_true(str_eq(buf_str(&read.bytes), bytes));
        buf_done(&read.bytes);
    }
    assert_int_equal(count_files(f, false), 4);
}

static void names_are_long_random_hex_and_differ(void **state)
{
    struct fixture *f = *state;
    struct answer first = save_now(f, STR_LIT("x"), "png");
    struct answer second = save_now(f, STR_LIT("x"), "png");
    assert_int_equal(strspn(first.name, "0123456789abcdef"), 32);
    assert_string_equal(first.name + 32, ".png");
    assert_string_not_equal(first.name, second.name);
}

static void a_file_is_for_its_owner_and_nothing_temporary_stays(void **state)
{
    struct fixture *f = *state;
    struct answer saved = save_now(f, STR_LIT("x"), "gif");
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", f->dir, saved.name);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07137, 0);
    assert_int_equal(info.st_size, 1);
    assert_int_equal(count_files(f, false), 1);
}

static void the_maximum_is_kept_in_both_directions(void **state)
{
    struct fixture *f = *state;
    static char bytes[BYTES_MAX + 1];
    memset(bytes, 'x', sizeof(bytes));
    struct answer largest = save_now(f, (struct str){bytes, BYTES_MAX}, "png");
    assert_int_equal(largest.status, ST_OK);
    struct answer read = read_now(f, str_of(largest.name));
    assert_int_equal(read.status, ST_OK);
    assert_int_equal(read.bytes.len, BYTES_MAX);
    buf_done(&read.bytes);

    struct answer larger = save_now(f, (struct str){bytes, BYTES_MAX + 1}, "png");
    assert_int_equal(larger.status, ST_TOO_LARGE);
    assert_int_equal(count_files(f, false), 1);

    DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", f->dir, largest.name);
    FILE *file = fopen(path, "abe");
    assert_non_null(file);
    assert_int_equal(fputc('y', file), 'y');
    assert_int_equal(fclose(file), 0);
    struct answer grown = read_now(f, str_of(largest.name));
    assert_int_equal(grown.status, ST_TOO_LARGE);
    buf_done(&grown.bytes);
}

static void a_directory_that_is_gone_is_a_failure_and_not_a_crash(void **state)
{
    struct fixture *f = *state;
    struct answer saved = save_now(f, STR_LIT("x"), "png");
    (void)count_files(f, true);
    assert_int_equal(rmdir(f->dir), 0);
    assert_int_equal(save_now(f, STR_LIT("x"), "png").status, ST_STORE);
    struct answer read = read_now(f, str_of(saved.name));
    assert_int_equal(read.status, ST_NOT_FOUND);
}

static void only_names_of_pictures_are_looked_for(void **state)
{
    struct fixture *f = *state;
    static const struct str names[] = {
        {NULL, 0},
        STR_LIT(""),
        STR_LIT("."),
        STR_LIT("../../../../../../../../etc/passwd"),
        STR_LIT("0123456789abcdef0123456789abcdef"),
        STR_LIT("0123456789abcdef0123456789abcdef."),
        STR_LIT("0123456789abcdef0123456789abcdef.txt"),
        STR_LIT("0123456789abcdef0123456789abcdef.PNG"),
        STR_LIT("0123456789abcdef0123456789abcdef.png.part"),
        STR_LIT("0123456789ABCDEF0123456789ABCDEF.png"),
        STR_LIT("0123456789abcdef0123456789abcde/.png"),
        STR_LIT("0123456789abcdef0123456789abcdef/png"),
        STR_LIT("0123456789abcdef0123456789abcde\0.png"),
        STR_LIT("0123456789abcdef0123456789abcdef.png\0"),
        STR_LIT("0123456789abcdef0123456789abcdef.png/"),
        STR_LIT("0123456789abcdef0123456789abcdefa.png"),
        STR_LIT("0123456789abcdef0123456789abcdef.png"), /* well formed, but was never saved */
        STR_LIT("0123456789abcdef0123456789abcdef.pngpngpngpngpngpngpng"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct answer answer = read_now(f, names[i]);
        if (answer.status != ST_NOT_FOUND)
            fail_msg("name %zu: %s", i, status_name(answer.status));
    }
}

static void a_link_in_the_place_of_a_picture_is_not_followed(void **state)
{
    struct fixture *f = *state;
    static const char name[] = "0123456789abcdef0123456789abcdef.png";
    DB_CLEANUP(free_charp) char *path = xasprintf("%s/%s", f->dir, name);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(read_now(f, str_of(name)).status, ST_NOT_FOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(read_now(f, str_of(name)).status, ST_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_picture_comes_back_with_its_type),
        TEST(names_are_long_random_hex_and_differ),
        TEST(a_file_is_for_its_owner_and_nothing_temporary_stays),
        TEST(the_maximum_is_kept_in_both_directions),
        TEST(a_directory_that_is_gone_is_a_failure_and_not_a_crash),
        TEST(only_names_of_pictures_are_looked_for),
        TEST(a_link_in_the_place_of_a_picture_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
