#include "net/backoff.h"
