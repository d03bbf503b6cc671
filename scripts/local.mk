dist_noinst_SCRIPTS += scripts/deps scripts/build scripts/demo scripts/check .ci/run
