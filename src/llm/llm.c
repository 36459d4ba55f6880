#include "llm/llm.h"
