#include "dingtalk/signature.h"
