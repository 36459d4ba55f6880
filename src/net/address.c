#include "net/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct range4 {
    uint8_t first[4];
    int bits;
};
static const struct range4 special4[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},     {{100, 64, 0, 0}, 10}, {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},  {{192, 0, 0, 0}, 24},  {{192, 0, 2, 0}, 24},
    {{192, 88, 99, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24}, {{224, 0, 0, 0}, 4},    {{240, 0, 0, 0}, 4},
};

struct range6 {
    uint8_t first[6];
    int bits;
};
/* Within 2000::/3, outside of which nothing is handed out. */
static const struct range6 special6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* Teredo, ORCHID and the like */
    {{0x20, 0x01, 0x0D, 0xB8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3F, 0xFF, 0x00}, 20},       /* documentation */
};
static const struct range6 global6 = {{0x20}, 3};
static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};

static bool is_within(const uint8_t *address, const uint8_t *first, int bits)
{
    size_t whole = (size_t)bits / 8;
    if (memcmp(address, first, whole) != 0)
        return false;
    int rest = bits % 8;
    return rest == 0 || (address[whole] ^ first[whole]) >> (8 - rest) == 0;
}

static bool is_public4(const uint8_t address[4])
{
    for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++) {
        if (is_within(address, special4[i].first, special4[i].bits))
            return false;
    }
    return true;
}

static bool is_public6(const uint8_t address[16])
{
    if (memcmp(address, nat64, sizeof(nat64)) == 0)
        return is_public4(address + sizeof(nat64));
    if (!is_within(address, global6.first, global6.bits))
        return false;
    for (size_t i = 0; i < sizeof(special6) / sizeof(special6[0]); i++) {
        if (is_within(address, special6[i].first, special6[i].bits))
            return false;
    }
    return true;
}

bool address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return is_public4((const uint8_t *)&in.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return is_public6(in6.sin6_addr.s6_addr);
    }
    return false;
}
