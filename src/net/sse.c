#include "net/sse.h"
