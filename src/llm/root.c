#include "llm/root.h"
