#include "llm/tokens.h"
