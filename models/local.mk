# models: the approximation packages of the built-in linear tasks, made by harvest-model while
# the tree is built. The same tool makes the same bytes on every run; delete one to renew it.
models_linear_tasks = dct32 fft128 fft256 fft64 fir32 matvec64
models_packages = $(foreach t,$(models_linear_tasks),$(foreach l,1 2 3 4,models/approx/$(t)/$(t)-l$(l).hvm))

$(models_packages): harvest-model$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && name=$(basename $(@F)) && \
	./harvest-model$(EXEEXT) build --task $${name%-l*} --level $${name##*-l} -o $@ >/dev/null

modelsdir = $(pkgdatadir)/models
nodist_models_DATA = $(models_packages)
CLEANFILES += $(models_packages)
