# docs: manual pages and pages for readers of the sources
dist_man_MANS += docs/man/harvestd.8 docs/man/harvestctl.1 docs/man/libharvest.3 docs/man/harvest-model.1 docs/man/harvest-nas.1
EXTRA_DIST += docs/architecture.md docs/concepts
EXTRA_DIST += docs/wire.md docs/quality.md docs/tutorial-plugin.md docs/integrating.md
