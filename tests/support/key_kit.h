/* key_kit.h: keys for tests. With LODE_TEST_KEY in the environment the databases that tests make through engine_kit
 * and story are encrypted: tests.cmake runs some of them so, too. */
#ifndef TESTS_SUPPORT_KEY_KIT_H
#define TESTS_SUPPORT_KEY_KIT_H

#include <lode/lode.h>

/* Key number n, always the same; n from 1 to 9. Static. */
const lode_key_source *key_kit(unsigned n);
/* The key that databases of tests have, or NULL. */
const lode_key_source *key_kit_default(void);

#endif
