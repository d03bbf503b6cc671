# models: the approximation packages of the built-in tasks.
#
# Linear tasks are derived by harvest-model while the tree is built. The same tool makes the same
# bytes on every run; delete one to renew it.
models_linear_tasks = dct32 dct8x8 fft128 fft256 fft64 fir32 iir_c02 iir_c05 iir_c20 \
	matvec64 matvec64_rank8
models_linear = $(foreach t,$(models_linear_tasks),$(foreach l,1 2 3 4,models/approx/$(t)/$(t)-l$(l).hvm))

$(models_linear): harvest-model$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && name=$(basename $(@F)) && \
	./harvest-model$(EXEEXT) build --task $${name%-l*} --level $${name##*-l} -o $@ >/dev/null

# The others were searched for by harvest-nas, which takes up to minutes: package and recipe lie
# in the source tree, TASK-pass and TASK-goal below models/approx/TASK. scripts/models makes them
# again and compares (make models-regenerate).
include models/searched.mk
models_in_tree = $(foreach n,$(1),models/approx/$(patsubst %-goal,%,$(patsubst %-pass,%,$(n)))/$(n))
models_searched_stems = $(call models_in_tree,$(models_searched))

modelsdir = $(pkgdatadir)/models
nodist_models_DATA = $(models_linear)
dist_models_DATA = $(models_searched_stems:=.hvm) $(models_searched_stems:=.recipe) \
	$(addsuffix .refused,$(call models_in_tree,$(models_refused)))
CLEANFILES += $(models_linear)
dist_noinst_SCRIPTS += scripts/models

# Search for all of them again: minutes to hours.
models-regenerate: harvest-nas$(EXEEXT)
	BUILD='$(abs_top_builddir)' '$(abs_top_srcdir)/scripts/models' check
.PHONY: models-regenerate
