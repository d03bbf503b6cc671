dist_noinst_SCRIPTS += scripts/deps scripts/build scripts/demo scripts/check scripts/check-arm64 .ci/run
