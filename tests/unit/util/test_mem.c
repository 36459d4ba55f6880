#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/mem.h"

static void copies_are_whole_and_end_in_a_nul(void **state)
{
    DB_CLEANUP(free_charp) char *whole = xstrdup("周报");
    assert_string_equal(whole, "周报");
    assert_null(xstrdup(NULL));
    DB_CLEANUP(free_charp) char *part = xstrndup("abc", 2);
    assert_string_equal(part, "ab");
    DB_CLEANUP(free_charp) char *with_nul = xstrndup("a\0b", 3);
    assert_memory_equal(with_nul, "a\0b", 4);
    DB_CLEANUP(free_charp) char *nothing = xstrndup(NULL, 0);
    assert_string_equal(nothing, "");
    DB_CLEANUP(free_charp) char *formatted = xasprintf("%s-%03d", "x", 7);
    assert_string_equal(formatted, "x-007");
}

static void no_size_is_too_small(void **state)
{
    void *a = xmalloc(0);
    void *b = xcalloc(0, 8);
    void *c = xcalloc(8, 0);
    void *d = xreallocarray(NULL, 0, 0);
    assert_true(a && b && c && d);
    free(a);
    free(b);
    free(c);
    free(d);
    unsigned char *zeros = xcalloc(16, 4);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    zeros[63] = 9;
    zeros = xreallocarray(zeros, 128, 4);
    assert_int_equal(zeros[63], 9);
    free(zeros);
}

static volatile size_t huge = SIZE_MAX;
static void *volatile kept;

static void take_malloc(void)
{
    kept = xmalloc(huge);
}

static void take_calloc(void)
{
    kept = xcalloc(huge / 2, 3);
}

static void take_array(void)
{
    kept = xreallocarray(NULL, huge / 2 + 2, 2);
}

static void take_copy(void)
{
    kept = xstrndup("x", huge);
}

static void a_size_that_does_not_exist_ends_the_process_and_is_never_rounded(void **state)
{
    static void (*const takers[])(void) = {take_malloc, take_calloc, take_array, take_copy};
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
            (void)dup2(quiet, STDERR_FILENO);
            (void)signal(SIGABRT, SIG_DFL);
            takers[i]();
            _exit(0);
        }
        int end = 0;
        assert_int_equal(waitpid(child, &end, 0), child);
        /* An abort of ours, or the sanitizer's own refusal; not a crash. */
        if (!((WIFSIGNALED(end) && WTERMSIG(end) == SIGABRT) ||
              (WIFEXITED(end) && WEXITSTATUS(end) == 1)))
            fail_msg("taker %zu ended with %#x", i, (unsigned)end);
    }
}

static void freeing_clears_the_pointer(void **state)
{
    char *text = xstrdup("x");
    free_charp(&text);
    assert_null(text);
    free_charp(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_whole_and_end_in_a_nul),
        cmocka_unit_test(no_size_is_too_small),
        cmocka_unit_test(a_size_that_does_not_exist_ends_the_process_and_is_never_rounded),
        cmocka_unit_test(freeing_clears_the_pointer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
