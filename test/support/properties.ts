/** fast-check with a seed of its own, so that every run tries the same. `GRANTABLE_TEST_SEED=2` tries something else. */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.GRANTABLE_TEST_SEED ?? 1) });

export { default } from 'fast-check';
