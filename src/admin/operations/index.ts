/** Everything that the administration API does, in the order of its description. */
import { operationsOnNouns } from './nouns/index.ts';

export const operations = operationsOnNouns;
