#include "util/crypto.h"
