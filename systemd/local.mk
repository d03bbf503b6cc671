# systemd: units, the user, the boards' permissions. All below $(prefix) unless configure was
# told otherwise, so that DESTDIR and unprivileged installs work.
dist_systemdsystemunit_DATA = systemd/harvestd.socket systemd/harvestd-boards.socket
nodist_systemdsystemunit_DATA = systemd/harvestd.service
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = systemd/sysusers.d/harvest.conf
udevrulesdir = $(prefix)/lib/udev/rules.d
dist_udevrules_DATA = systemd/70-harvest.rules
EXTRA_DIST += systemd/harvestd.service.in
CLEANFILES += systemd/harvestd.service

# by make, not by configure: $(sbindir) still names ${exec_prefix} there, which a unit cannot
systemd/harvestd.service: systemd/harvestd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	sed 's|@sbindir[@]|$(sbindir)|g' $(srcdir)/systemd/harvestd.service.in >$@.tmp && \
	mv $@.tmp $@
