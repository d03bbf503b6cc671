#include "client/ctl/ctl.h"
#include "proto/ipc_frame.h"
#include <stdarg.h>
#include <stdio.h>

enum { ANSWER_MS = 10000, JOB_MS = 600000 };

int ctl_fail(struct ctl *c, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(c->why.text, sizeof(c->why.text), format, ap);
	va_end(ap);
	return code;
}

void ctl_note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("note: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

char *ctl_text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { .in = s != NULL ? s : "" };

	return u.out;
}

static uint32_t timeout_ms(const struct ctl *c, uint32_t usual_ms)
{
	return c->args.has_timeout ? (uint32_t)(c->args.timeout_s * 1000 + 0.5) : usual_ms;
}

uint32_t ctl_answer_ms(const struct ctl *c)
{
	return timeout_ms(c, ANSWER_MS);
}

uint32_t ctl_job_ms(const struct ctl *c)
{
	return timeout_ms(c, JOB_MS);
}

int ctl_connect(struct ctl *c)
{
	int err;

	if (c->client != NULL)
		return HV_OK;
	err = harvest_client_open(c->args.socket, ctl_answer_ms(c), &c->client);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s",
				c->client ? harvest_client_reason(c->client) : "out of memory");
	c->connected = true;
	return HV_OK;
}

int ctl_ask_with(struct ctl *c, uint16_t kind, const ProtobufCMessage *msg, const void *payload,
		 size_t len, uint16_t want, struct hv_reply *reply)
{
	int err = ctl_connect(c);

	if (err != HV_OK)
		return err;
	err = hv_client_request(c->client, kind, msg, payload, len, want, reply);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s", harvest_client_reason(c->client));
	return HV_OK;
}

int ctl_ask(struct ctl *c, uint16_t kind, const ProtobufCMessage *msg, uint16_t want,
	    struct hv_reply *reply)
{
	return ctl_ask_with(c, kind, msg, NULL, 0, want, reply);
}

int ctl_exit_code(int err, bool connected)
{
	switch (err) {
	case HV_OK: return CTL_DONE;
	case HV_E_INVAL: return CTL_USAGE;
	case HV_E_DENIED: return CTL_REFUSED;
	case HV_E_BUDGET: return CTL_UNSATISFIED;
	case HV_E_GONE: return connected ? CTL_FAILED : CTL_NO_DAEMON;
	case HV_E_TIMEOUT: return CTL_TIMED_OUT;
	case HV_E_VERSION: return CTL_VERSION;
	case HV_E_FORMAT: return CTL_BAD_INPUT;
	default: return CTL_FAILED;
	}
}
