#include "daemon/log.h"
#include "daemon/quality/audit.h"
#include "tasks/catalog.h"
#include <math.h>

void audit_measured(struct model *m, const double *ref, const double *got, double weight)
{
	char text[128];

	if (m->doubt.pooled.records == 0)
		doubt_begin(&m->doubt, m->task, &m->pkg->cert);
	if (!doubt_add(&m->doubt, ref, got, tensor_elements(&m->task->out), weight))
		return;
	m->suspended = true;
	log_event(LOG_LVL_WARNING, "MODEL_SUSPENDED",
		  "%s is suspended: %s; its jobs go elsewhere until 'harvestctl models verify %s'",
		  m->pkg->name, doubt_text(&m->doubt, text, sizeof(text)), m->pkg->name);
}

bool audit_affords(struct audit_purse *p, uint64_t now_us)
{
	double more = p->at_us > 0 && now_us > p->at_us ? (double)(now_us - p->at_us) : 0;

	if (p->at_us == 0)
		p->left_us = AUDIT_PURSE_US;
	p->at_us = now_us;
	p->left_us = fmin(AUDIT_PURSE_US, p->left_us + more / AUDIT_SHARE);
	return p->left_us >= 0;
}

void audit_spent(struct audit_purse *p, uint64_t us)
{
	p->left_us -= (double)us;
}
