#include "util/fs/err.h"

const char *hv_err_name(int err)
{
	switch (err) {
	case HV_OK: return "OK";
#define XX(num, name, text) \
	case num: return #name;
		HV_ERR_MAP(XX)
#undef XX
	default: return "UNKNOWN";
	}
}

const char *hv_err_text(int err)
{
	switch (err) {
	case HV_OK: return "done";
#define XX(num, name, text) \
	case num: return text;
		HV_ERR_MAP(XX)
#undef XX
	default: return "unknown error";
	}
}
