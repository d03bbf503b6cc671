/* The verb and option tables of harvestctl, and what must agree with them: parsing, manual page
 * and completion. */
#include "client/ctl/ctl.h"
#include "client/ctl/table.h"
#include "client/ctl/words.h"
#include "util/own.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct args a;
static struct reason why;

static const enum option_id some[] = { OPT_TASK,  OPT_OUT,      OPT_MAX_ERROR, OPT_DEADLINE,
				       OPT_ROUTE, OPT_PRIORITY, OPT_POLICY,    OPT_DETACH,
				       OPT_DTYPE, OPT_HOP,      OPT_NONE };

static int parse(int argc, char **argv)
{
	int used;

	a = (struct args){ .priority = -1, .route = -1, .policy = -1 };
	why.text[0] = '\0';
	return options_parse(&a, some, "test", argc, argv, &used, &why);
}

#define PARSE(...) parse((int)HV_ARRAY_SIZE(((char *[]){ __VA_ARGS__ })), (char *[]){ __VA_ARGS__ })
#define S(text)    ((char *)(text))

START_TEST(options_take_values_in_every_usual_way)
{
	ck_assert_int_eq(PARSE(S("in.bin"), S("--task=fft64"), S("-o"), S("x.npy"), S("-e60.5"),
			       S("--deadline-ms"), S("-5"), S("--route"), S("board:virt0"),
			       S("--detach"), S("--"), S("-name")),
			 HV_OK);
	ck_assert_int_eq(a.n_words, 2);
	ck_assert_str_eq(a.word[0], "in.bin");
	ck_assert_str_eq(a.word[1], "-name");
	ck_assert_str_eq(a.task, "fft64");
	ck_assert_str_eq(a.out, "x.npy");
	ck_assert(a.has_max_error && a.max_error == 60.5);
	ck_assert(a.has_deadline && a.deadline_ms == -5);
	ck_assert_int_eq(a.route, HV__ROUTE__BOARD);
	ck_assert_str_eq(a.board, "virt0");
	ck_assert(a.detach && !a.json);
}
END_TEST

START_TEST(a_lone_dash_is_a_word)
{
	ck_assert_int_eq(PARSE(S("-"), S("-o"), S("-")), HV_OK);
	ck_assert_int_eq(a.n_words, 1);
	ck_assert_str_eq(a.word[0], "-");
	ck_assert_str_eq(a.out, "-");
}
END_TEST

/* clang-format off */
static const struct {
	const char *arg, *value, *says;
} bad[] = {
	{ "--nonsense", NULL, "--nonsense" },   { "-z", NULL, "-z" },
	{ "--task", NULL, "needs a value" },    { "--task=", "", "name of a task" },
	{ "--detach=1", NULL, "takes no value" },
	{ "--max-error", "-1", "budget" },      { "--max-error", "nan", "budget" },
	{ "--max-error", "1x", "budget" },      { "--max-error", "", "budget" },
	{ "--max-error", "1e999", "budget" },
	{ "--deadline-ms", "1.5", "milliseconds" }, { "--deadline-ms", "99999999999999999999", "milliseconds" },
	{ "--route", "moon", "moon" },          { "--route", "board:", "board:ID" },
	{ "--priority", "high", "background" }, { "--policy", "fast", "offload" },
	{ "--dtype", "int12", "float32" },      { "--hop", "0", "above 0" },
	{ "--timeout", "0", "seconds" },        { "--timeout", "-1", "seconds" },
	{ "--verify", NULL, "unknown option" }, /* exists, but not for this verb */
	{ "--tas", "fft64", "unknown option" },
};
/* clang-format on */

START_TEST(bad_options_are_refused_with_what_was_wanted)
{
	char *argv[] = { S(bad[_i].arg), S(bad[_i].value) };

	ck_assert_msg(parse(bad[_i].value ? 2 : 1, argv) == HV_E_INVAL, "%s %s", argv[0],
		      argv[1] ? argv[1] : "");
	ck_assert_msg(strstr(why.text, bad[_i].says) != NULL, "%s: %s", argv[0], why.text);
}
END_TEST

START_TEST(every_option_has_a_name_a_help_and_a_letter_of_its_own)
{
	for (int i = OPT_NONE + 1; i < OPT_COUNT; i++) {
		const struct option *o = option_get((enum option_id)i);

		ck_assert_msg(o != NULL && o->name && o->help && o->set, "option %d", i);
		for (int k = OPT_NONE + 1; k < i; k++) {
			const struct option *other = option_get((enum option_id)k);

			ck_assert_str_ne(o->name, other->name);
			ck_assert_msg(o->letter == 0 || o->letter != other->letter, "--%s, --%s",
				      o->name, other->name);
		}
	}
}
END_TEST

START_TEST(every_verb_is_whole_and_named_once)
{
	for (size_t i = 0; i < ctl_n_verbs; i++) {
		const struct verb *v = ctl_verbs[i];

		ck_assert_msg(v->name && v->words && v->about && v->run, "verb %zu", i);
		ck_assert_int_le(v->min_words, v->max_words);
		ck_assert_int_le(v->max_words, (int)HV_ARRAY_SIZE(a.word));
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(v->name, ctl_verbs[k]->name);
		for (const struct action *x = v->actions; x && x->name; x++)
			ck_assert_msg(strstr(v->words, x->name) != NULL, "%s %s", v->name, x->name);
	}
}
END_TEST

static char *source(const char *path)
{
	uint8_t *text;
	char *out;
	size_t n;

	ck_assert_msg(hv_file_read(path, 1 << 20, &text, &n) == HV_OK, "%s", path);
	out = strndup((char *)text, n);
	free(text);
	return out;
}

/* Is the word in text, not as a part of a longer one? */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word))
		if (strchr("abcdefghijklmnopqrstuvwxyz-", p[n]) == NULL || p[n] == '\0')
			return true;
	return false;
}

/* As roff writes an option: dashes escaped. */
static const char *roff_option(const char *name, char *to)
{
	char *p = to;

	p += sprintf(p, "\\-\\-");
	for (; *name; name++)
		p += sprintf(p, *name == '-' ? "\\-" : "%c", *name);
	return to;
}

START_TEST(the_manual_page_knows_every_verb_action_and_option)
{
	hv_autofree char *man = source(SRCDIR "/docs/man/harvestctl.1");
	char text[64];

	for (size_t i = 0; i < ctl_n_verbs; i++) {
		const struct verb *v = ctl_verbs[i];

		ck_assert_msg(has_word(man, v->name), "verb %s", v->name);
		for (const struct action *x = v->actions; x && x->name; x++)
			ck_assert_msg(has_word(man, x->name), "%s %s", v->name, x->name);
	}
	for (int i = OPT_NONE + 1; i < OPT_COUNT; i++)
		ck_assert_msg(has_word(man, roff_option(option_get((enum option_id)i)->name, text)),
			      "option %s", text);
}
END_TEST

START_TEST(the_manual_page_knows_every_exit_code)
{
	hv_autofree char *man = source(SRCDIR "/docs/man/harvestctl.1");
	char text[32];

	for (int code = CTL_DONE; code <= CTL_BAD_INPUT; code++) {
		snprintf(text, sizeof(text), ".TP\n%d\n", code);
		ck_assert_msg(strstr(man, text) != NULL, "exit code %d", code);
	}
}
END_TEST

/* The line of the completion's table that belongs to a verb. */
static char *completion_of(const char *script, const char *verb)
{
	hv_autofree char *head = NULL;
	const char *at, *end;

	ck_assert_int_gt(asprintf(&head, "\n\t%s)", verb), 0);
	at = strstr(script, head);
	end = at != NULL ? strstr(at, ";;") : NULL;
	return end != NULL ? strndup(at, (size_t)(end - at)) : strdup("");
}

START_TEST(the_completion_offers_exactly_the_options_of_each_verb)
{
	hv_autofree char *script = source(SRCDIR "/client/completion/harvestctl");
	char text[64];

	for (size_t i = 0; i < ctl_n_verbs; i++) {
		const struct verb *v = ctl_verbs[i];
		hv_autofree char *line = completion_of(script, v->name);

		ck_assert_msg(has_word(strstr(script, "verbs="), v->name), "verb %s", v->name);
		for (int o = OPT_GLOBAL_END; o < OPT_COUNT; o++) {
			bool takes = false;

			for (const enum option_id *id = v->options; id && *id != OPT_NONE; id++)
				takes |= (int)*id == o;
			snprintf(text, sizeof(text), "--%s", option_get((enum option_id)o)->name);
			ck_assert_msg(has_word(line, text) == takes, "%s %s", v->name, text);
		}
		for (const struct action *x = v->actions; x && x->name; x++)
			ck_assert_msg(has_word(line, x->name), "%s %s", v->name, x->name);
	}
	for (int o = OPT_NONE + 1; o < OPT_GLOBAL_END; o++) {
		snprintf(text, sizeof(text), "--%s", option_get((enum option_id)o)->name);
		ck_assert_msg(has_word(strstr(script, "global="), text), "%s", text);
	}
}
END_TEST

START_TEST(a_typo_finds_the_nearest_name_and_nonsense_none)
{
	static const char *const names[] = { "fft64", "fft128", "fft256", "dct32", "fir32" };

	ck_assert_str_eq(word_nearest(names, 5, "fft265"), "fft256");
	ck_assert_str_eq(word_nearest(names, 5, "ftf64"), "fft64");
	ck_assert_str_eq(word_nearest(names, 5, "dct"), "dct32");
	ck_assert_ptr_null(word_nearest(names, 5, "convolution"));
	ck_assert_ptr_null(word_nearest(names, 5, ""));
	ck_assert_ptr_null(word_nearest(names, 0, "fft64"));
}
END_TEST

START_TEST(exit_codes_are_those_of_the_contract)
{
	ck_assert_int_eq(ctl_exit_code(HV_OK, true), 0);
	ck_assert_int_eq(ctl_exit_code(HV_E_IO, true), 1);
	ck_assert_int_eq(ctl_exit_code(HV_E_INVAL, true), 2);
	ck_assert_int_eq(ctl_exit_code(HV_E_DENIED, true), 3);
	ck_assert_int_eq(ctl_exit_code(HV_E_BUDGET, true), 4);
	ck_assert_int_eq(ctl_exit_code(HV_E_GONE, false), 5);
	ck_assert_int_eq(ctl_exit_code(HV_E_GONE, true), 1);
	ck_assert_int_eq(ctl_exit_code(HV_E_TIMEOUT, true), 6);
	ck_assert_int_eq(ctl_exit_code(HV_E_VERSION, false), 7);
	ck_assert_int_eq(ctl_exit_code(HV_E_FORMAT, true), 8);
	ck_assert_int_eq(ctl_exit_code(-99, true), 1);
}
END_TEST

START_TEST(times_and_errors_read_well)
{
	char t[64];

	ck_assert_str_eq(us_text(0, t, sizeof(t)), "0 us");
	ck_assert_str_eq(us_text(999, t, sizeof(t)), "999 us");
	ck_assert_str_eq(us_text(1234, t, sizeof(t)), "1.23 ms");
	ck_assert_str_eq(us_text(2500000, t, sizeof(t)), "2.500 s");
	ck_assert_str_eq(error_text("snr_db", 0, 73.14, t, sizeof(t)), "73.1 dB");
	ck_assert_str_eq(error_text("snr_db", 1, 0, t, sizeof(t)), "exact");
	ck_assert_str_eq(error_text("snr_db", 0, (double)INFINITY, t, sizeof(t)), "exact");
	ck_assert_str_eq(error_text("nrmse", 0, 0.0125, t, sizeof(t)), "0.0125 nrmse");
}
END_TEST

static Suite *table_suite(void)
{
	Suite *s = suite_create("harvestctl");
	TCase *tc = tcase_create("tables");

	tcase_add_test(tc, options_take_values_in_every_usual_way);
	tcase_add_test(tc, a_lone_dash_is_a_word);
	tcase_add_loop_test(tc, bad_options_are_refused_with_what_was_wanted, 0,
			    HV_ARRAY_SIZE(bad));
	tcase_add_test(tc, every_option_has_a_name_a_help_and_a_letter_of_its_own);
	tcase_add_test(tc, every_verb_is_whole_and_named_once);
	tcase_add_test(tc, the_manual_page_knows_every_verb_action_and_option);
	tcase_add_test(tc, the_manual_page_knows_every_exit_code);
	tcase_add_test(tc, the_completion_offers_exactly_the_options_of_each_verb);
	tcase_add_test(tc, a_typo_finds_the_nearest_name_and_nonsense_none);
	tcase_add_test(tc, exit_codes_are_those_of_the_contract);
	tcase_add_test(tc, times_and_errors_read_well);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(table_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
