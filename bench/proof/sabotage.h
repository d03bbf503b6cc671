#ifndef BENCH_PROOF_SABOTAGE_H
#define BENCH_PROOF_SABOTAGE_H

/* An agent broken on purpose, so that the check can be checked. The agent's own objects are the
 * product's: this program's linker puts the functions below between them (ld --wrap). */
enum sabotage {
	SABOTAGE_NONE,
	SABOTAGE_GUARD, /* a run may always start */
	SABOTAGE_RESTORE, /* an abort leaves the guest's layer registers */
	SABOTAGE_ABORT, /* an abort lets the run end first */
	SABOTAGES,
};

extern enum sabotage sabotage; /* of every agent of this process */
const char *sabotage_text(enum sabotage s);

#endif
