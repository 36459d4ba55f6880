#include "dingtalk/split.h"
