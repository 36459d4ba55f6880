#include "llm/demo.h"
