#include "util/mem.h"
