#include "client/ctl/verbs/actions.h"
#include <string.h>

int action_take(struct ctl *c, const struct action *list, const char *verb, const char **name)
{
	const char *word = c->args.n_words > 0 ? c->args.word[0] : list->name;

	for (; list->name != NULL && strcmp(list->name, word) != 0; list++)
		;
	if (list->name == NULL)
		return ctl_fail(c, HV_E_INVAL, "unknown action '%s': see 'harvestctl %s --help'",
				word, verb);
	if (list->word != NULL && c->args.n_words < 2)
		return ctl_fail(c, HV_E_INVAL, "'harvestctl %s %s' needs a %s", verb, list->name,
				list->word);
	if (list->word == NULL && c->args.n_words > 1)
		return ctl_fail(c, HV_E_INVAL, "'harvestctl %s %s' takes no '%s'", verb, list->name,
				c->args.word[1]);
	*name = list->name;
	return HV_OK;
}
