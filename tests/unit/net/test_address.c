#include "net/address.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool is_public(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct in_addr in;
    struct in6_addr in6;
    if (inet_pton(AF_INET, text, &in) == 1) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = in};
        memcpy(&storage, &address, sizeof(address));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6), 1);
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6};
        memcpy(&storage, &address, sizeof(address));
    }
    return address_is_public((const struct sockaddr *)&storage);
}

static void addresses_of_hosts_on_the_internet_are_public(void **state)
{
    static const char *const rows[] = {
        "1.1.1.1",     "8.8.8.8",       "9.255.255.255", "11.0.0.0",         "100.63.255.255",
        "100.128.0.0", "126.0.0.1",     "128.0.0.1",     "169.253.0.1",      "172.15.255.255",
        "172.32.0.0",  "192.0.1.1",     "192.167.1.1",   "192.169.0.1",      "198.17.0.1",
        "198.20.0.0",  "223.255.255.1", "2400:cb00::1",  "2001:4860::8888",  "2a00:1450::1",
        "2001:200::1", "2003::1",       "3ffe::1",       "64:ff9b::8.8.8.8",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!is_public(rows[i]))
            fail_msg("%s", rows[i]);
    }
}

static void all_others_are_not(void **state)
{
    static const char *const rows[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:1.1.1.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "4000::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is_public(rows[i]))
            fail_msg("%s", rows[i]);
    }
    struct sockaddr unix_like = {.sa_family = AF_UNIX};
    assert_false(address_is_public(&unix_like));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_hosts_on_the_internet_are_public),
        cmocka_unit_test(all_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
