/** Everything that the administration API does, in the order of its description. */
import type { Operation } from './operation.ts';

export const operations = [] as const satisfies readonly Operation[];
