# nas: what is built here

# the supernet
noinst_LTLIBRARIES += libhvsuper.la
libhvsuper_la_SOURCES = nas/super/super.h nas/super/net.h nas/super/super.c nas/super/net.c \
	nas/super/pick.c nas/super/cost.c nas/super/run.c nas/super/train.c
libhvsuper_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
libhvsuper_la_CFLAGS = $(AM_CFLAGS) $(VECTOR_CFLAGS) -ffp-contract=off
libhvsuper_la_LIBADD = libhvutil.la $(OPENBLAS_LIBS) -lm

# wide networks: many products and roundings
noinst_LTLIBRARIES += libhvwide.la
libhvwide_la_SOURCES = nas/wide/net.h nas/wide/net.c nas/wide/whole.c
libhvwide_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
libhvwide_la_CFLAGS = $(AM_CFLAGS) $(VECTOR_CFLAGS) -fno-math-errno -ffp-contract=off
libhvwide_la_LIBADD = libhvutil.la $(OPENBLAS_LIBS) -lm

# the search for approximations
noinst_LTLIBRARIES += libhvnas.la
libhvnas_la_SOURCES = \
	nas/data.h nas/data.c nas/plan.h nas/plan.c nas/curve.h nas/curve.c \
	nas/encoding.h nas/encoding.c nas/knots.h nas/knots.c \
	nas/lsq.h nas/lsq.c nas/hinge.h nas/hinge.c nas/model.h nas/model.c nas/pack.c \
	nas/jobs.h nas/jobs.c nas/search.h nas/front.c nas/linear.c \
	nas/linear/map.h nas/linear/map.c nas/linear/solve.c nas/linear/form.h nas/linear/form.c \
	nas/linear/host.h nas/linear/host.c nas/linear/shape.h nas/linear/shape.c nas/linear/rank.c \
	nas/linear/lowrank.h nas/linear/lowrank.c nas/linear/finish.h nas/linear/finish.c nas/hint.h nas/hint.c \
	nas/points.h nas/points.c nas/tries.c nas/choose.c nas/journal.h nas/journal.c \
	nas/gradient.h nas/gradient.c \
	nas/wide/pool.h nas/wide/pool.c nas/wide/train.h nas/wide/train.c nas/wide/wide.c \
	nas/pack.h nas/structure/structure.h nas/structure/structure.c nas/structure/local.c \
	nas/structure/bins.c nas/structure/block.c nas/structure/median.c nas/structure/magnitude.c \
	nas/certify.h nas/certify.c nas/support.h nas/support.c nas/probe.c nas/report.h nas/report.c
libhvnas_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
libhvnas_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off
libhvnas_la_LIBADD = libhvsuper.la libhvwide.la libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la $(OPENBLAS_LIBS) \
	-lpthread -lm

# packages as one table: harvest-nas list, bench/suite
noinst_LTLIBRARIES += libhvsuite.la
libhvsuite_la_SOURCES = nas/suite/suite.h nas/suite/read.c nas/suite/price.c nas/suite/apply.c \
	nas/suite/tally.c nas/suite/print.c
libhvsuite_la_LIBADD = libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la -lm

bin_PROGRAMS += harvest-nas
harvest_nas_SOURCES = nas/cli/main.c nas/cli/cli.h nas/cli/request.c nas/cli/search.c \
	nas/cli/certify.c nas/cli/list.c nas/cli/apply.c nas/cli/plugin.c nas/cli/compile.h \
	nas/cli/compile.c nas/cli/stop.h nas/cli/stop.c
nodist_harvest_nas_SOURCES = nas/cli/task_h.inc
harvest_nas_LDADD = libhvsuite.la libhvnas.la libhvplugin.la

# <harvest/task.h> inside of harvest-nas: what compiles plug-ins needs no header on the machine
BUILT_SOURCES += nas/cli/task_h.inc
CLEANFILES += nas/cli/task_h.inc
nas/cli/task_h.inc: $(top_srcdir)/tasks/task.h
	$(AM_V_GEN)$(MKDIR_P) nas/cli && \
	sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/",/' $(top_srcdir)/tasks/task.h >$@.tmp && \
	mv -f $@.tmp $@
nas/cli/compile.$(OBJEXT): nas/cli/task_h.inc
